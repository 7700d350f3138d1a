import { Transform, type TransformCallback } from "node:stream";

import type { SecretGrant } from "@skerry/protocol";

/** A secret's placeholder went over a connection that secrets may not go over. */
export class SecretInClearError extends Error {
  override readonly name = "SecretInClearError";
  readonly secret: string;

  constructor(secret: string) {
    super(`the secret ${secret} is used over a connection that it is not for`);
    this.secret = secret;
  }
}

/** Lets bytes through until a placeholder is among them; then it fails with {@link SecretInClearError}. */
export class Watch extends Transform {
  readonly #needles: readonly (readonly [Buffer, SecretGrant])[];
  readonly #overlap: number;
  #tail: Buffer = Buffer.alloc(0);

  constructor(grants: readonly SecretGrant[]) {
    super();
    this.#needles = grants.map((grant) => [Buffer.from(grant.placeholder), grant]);
    this.#overlap = Math.max(0, ...this.#needles.map(([needle]) => needle.length - 1));
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    const bytes = Buffer.concat([this.#tail, chunk]);
    const found = this.#needles.find(([needle]) => bytes.includes(needle));
    if (found !== undefined) {
      done(new SecretInClearError(found[1].name));
      return;
    }
    this.#tail = bytes.subarray(Math.max(0, bytes.length - this.#overlap));
    done(null, chunk);
  }
}
