// Runs a program in a network of its own, in which one port of its loopback leads to a Unix socket: nothing else can be
// reached, and nothing of it changes while the program runs.
//
//   unshare --net -- node own-network.mjs PORT SOCKET PROGRAM [arguments…]

import { execFileSync, spawn } from "node:child_process";
import { connect, createServer } from "node:net";

const [port, socket, program, ...args] = process.argv.slice(2);
execFileSync("ip", ["link", "set", "lo", "up"]);
const forwarder = createServer((from) => {
  const to = connect(socket);
  from.on("error", () => to.destroy());
  to.on("error", () => from.destroy());
  from.pipe(to).pipe(from);
});
forwarder.listen(Number(port), "127.0.0.1", () => {
  // 3 and 4 are what whoever started this talks to the program by.
  const child = spawn(program, args, { stdio: ["inherit", "inherit", "inherit", 3, 4] });
  child.once("exit", (code) => process.exit(code ?? 1));
});
