import {
  isSecretFor,
  placeholderPrefix,
  type Destination,
  type SecretGrant,
  type SecretPlace,
} from "@skerry/protocol";

import { needlesFor } from "./mask.ts";

const pattern = new RegExp(`${placeholderPrefix}[0-9a-f]{64}`, "g");

/** A secret was used where it may not be; the request must not go on. */
export class SecretElsewhereError extends Error {
  override readonly name = "SecretElsewhereError";
  readonly secret: string;

  constructor(secret: string) {
    super(`the secret ${secret} is not for this host`);
    this.secret = secret;
  }
}

/** The secrets of a machine, as far as they concern connections to one host and port. */
export class Placeholders {
  /** What an answer must not give back, as {@link needlesFor} has it. */
  readonly needles: readonly Buffer[];
  readonly #grants: ReadonlyMap<string, SecretGrant>;
  readonly #here: ReadonlySet<SecretGrant>;

  constructor(grants: readonly SecretGrant[], to: Destination, port: number) {
    this.#grants = new Map(grants.map((grant) => [grant.placeholder, grant]));
    this.#here = new Set(grants.filter((grant) => isSecretFor(grant, to, port)));
    this.needles = needlesFor([...this.#here]);
  }

  /** Whether a part of a request may have a secret put into it here. */
  isOpenTo(place: SecretPlace): boolean {
    return [...this.#here].some((grant) => grant.in.includes(place));
  }

  /**
   * The text with values in place of placeholders. A placeholder whose secret may not be in this part of a
   * request stays as it is: it is worth nothing.
   *
   * @param encode What a value has to be in this text.
   * @throws {SecretElsewhereError} when it has the placeholder of a secret that is not for this host.
   */
  fill(text: string, place: SecretPlace, encode: (value: string) => string): string {
    return text.replaceAll(pattern, (placeholder) => {
      const grant = this.#grants.get(placeholder);
      if (grant === undefined) return placeholder;
      if (!this.#here.has(grant)) throw new SecretElsewhereError(grant.name);
      return grant.in.includes(place) ? encode(grant.value) : placeholder;
    });
  }
}
