import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";

/**
 * A place outside, in a network namespace of its own: hosts with any addresses, whose servers note down who
 * has reached them. Nothing of it is reachable but from this host and its machines.
 */
export class Outside implements AsyncDisposable {
  /** What has reached a server: `"tcp 198.18.7.1:80 GET / good.test"`. */
  readonly reached: string[] = [];
  /** This host's own address on the way there. */
  readonly hostAddress: string;
  readonly #held: AsyncDisposableStack;

  private constructor(hostAddress: string, lines: Interface, held: AsyncDisposableStack) {
    this.hostAddress = hostAddress;
    this.#held = held;
    lines.on("line", (line) => this.reached.push(line));
  }

  /** @param addresses What its hosts have; each gets a route. `program` serves there and prints `ready`. */
  static async start(addresses: readonly string[], program: string): Promise<Outside> {
    const name = `skt${process.pid % 100_000}`;
    const [own, there] = ["198.19.250.1", "198.19.250.2"];
    await using stack = new AsyncDisposableStack();
    ip("netns", "add", name);
    stack.defer(() => ip("netns", "delete", name));
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name);
    stack.defer(() => ip("link", "delete", name)); // and the routes with it
    ip("addr", "add", `${own}/30`, "dev", name);
    ip("link", "set", name, "up");
    ip("-n", name, "link", "set", "lo", "up");
    ip("-n", name, "addr", "add", `${there}/30`, "dev", "eth0");
    ip("-n", name, "link", "set", "eth0", "up");
    ip("-n", name, "route", "add", "default", "via", own);
    for (const address of addresses) {
      ip("-n", name, "addr", "add", `${address}/32`, "dev", "lo");
      ip("route", "replace", `${address}/32`, "via", there);
    }
    const command = ["netns", "exec", name, process.execPath, "--input-type=module", "-e", program];
    const child = spawn("ip", command, { stdio: ["ignore", "pipe", "inherit"] });
    stack.defer(async () => {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    });
    const lines = createInterface({ input: child.stdout });
    await once(lines, "line"); // it says that it is ready
    return new Outside(own, lines, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync();
  }
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args);
}
