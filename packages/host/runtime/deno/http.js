/**
 * Runs in a Deno process before the program does, and makes its first HTTP server listen on a Unix
 * socket as well, so that Skerry finds it whatever port it has and sees when it is ready. The path of
 * the socket is in the query of this module's URL, where neither the program nor its children see it.
 *
 * Deno itself does the work: `DENO_SERVE_ADDRESS=duplicate,unix:PATH` is read whenever a server
 * starts, so it is set for as long as that takes, and for one server only: a second one could not
 * bind the same socket. The socket gets its name when the server's own port accepts as well.
 */
import http from "node:http";

const variable = "DENO_SERVE_ADDRESS";
const socket = new URL(import.meta.url).searchParams.get("socket");
let isTaken = false;

function offer() {
  isTaken = true;
  Deno.env.set(variable, `duplicate,unix:${socket}.new`);
}

function withdraw() {
  Deno.env.delete(variable);
}

function announce() {
  withdraw();
  try {
    Deno.renameSync(`${socket}.new`, socket);
  } catch {
    // Whatever served, it was not over this socket; then nobody waits for it either.
  }
}

if (socket !== null && !Deno.env.has(variable)) {
  const serve = Deno.serve;
  Deno.serve = function (...args) {
    if (isTaken) return serve(...args);
    offer();
    try {
      const server = serve(...args);
      announce();
      return server;
    } catch (error) {
      withdraw();
      isTaken = false;
      throw error;
    }
  };

  const { listen } = http.Server.prototype;
  http.Server.prototype.listen = function (...args) {
    if (isTaken) return listen.apply(this, args);
    offer();
    this.once("listening", announce);
    this.once("error", withdraw);
    return listen.apply(this, args);
  };
}
