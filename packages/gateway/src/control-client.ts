import { limits, paths, SshAuthorizeAnswer, type SshEndpoint } from "@skerry/protocol";
import { Sandbox } from "@skerry/sdk";

/** Control said that the gateway may not ask: its token is wrong. */
export class RefusedByControl extends Error {
  override readonly name = "RefusedByControl";
}

/** Whom a username, and a key that was proved, lead to. */
export type Entry = SshAuthorizeAnswer;

/**
 * What the gateway knows of control: three requests of its API. Its token is good for asking whom a
 * client may enter; what it then does in a sandbox it does with the ticket that it is given for that.
 */
export class ControlClient {
  readonly #endpoint: string;
  readonly #token: string;

  /** @param endpoint The API's address. @param token One that is good for a gateway. */
  constructor(endpoint: string, token: string) {
    this.#endpoint = endpoint;
    this.#token = token;
  }

  /** Tells where the gateway is. @throws {RefusedByControl} */
  async announce(endpoint: SshEndpoint, signal: AbortSignal): Promise<void> {
    const response = await this.#send("PUT", paths.sshEndpoint, endpoint, signal);
    if (response.ok) return;
    const said = `${response.status} ${(await response.text()).slice(0, 500)}`;
    const isFinal = response.status < 500 && response.status !== 429;
    throw isFinal ? new RefusedByControl(said) : new Error(said);
  }

  /**
   * Asks whom a username, and a key that was proved, lead to; null: nobody, for whatever reason.
   *
   * @param key The blob, base64.
   * @param address Where the client is.
   */
  async authorize(username: string, key: string | null, address: string): Promise<Entry | null> {
    const body = { username, key, address: address.slice(0, 64) };
    const deadline = AbortSignal.timeout(limits.sshLoginMs);
    const response = await this.#send("POST", paths.authorizeSsh, body, deadline);
    const text = await response.text();
    return response.ok ? SshAuthorizeAnswer.parse(JSON.parse(text)) : null;
  }

  /** Connects to the sandbox of an entry. */
  async open({ sandboxId, ticket }: Entry): Promise<Sandbox> {
    return await Sandbox.connect({ id: sandboxId, endpoint: this.#endpoint, token: ticket });
  }

  async #send(method: string, path: string, body: object, signal: AbortSignal): Promise<Response> {
    return await fetch(new URL(path, this.#endpoint), {
      method,
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
      signal,
    });
  }
}
