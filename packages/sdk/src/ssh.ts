/** How to enter a sandbox with any SSH client. */
export interface SshAccess {
  readonly hostname: string;
  /** Whoever knows it may enter. */
  readonly username: string;
  readonly port: number;
  /** Enters as well, in OpenSSH's format: for clients that insist on a key. */
  readonly privateKey: string;
  /** What the gateway proves itself by: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  /** What to type: `ssh -p 2222 …@127.0.0.1`. */
  readonly command: string;
}
