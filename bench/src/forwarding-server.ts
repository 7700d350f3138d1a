import { createServer, type AddressInfo } from "node:net";
import { pipeline } from "node:stream";

import type { HostedMachine } from "@skerry/protocol";
import { openMachines, readConfig, serve, type OpenOwnHost } from "@skerry/server";

import { GuestDuplex } from "../../packages/control/src/rpc/fetch/guest-duplex.ts";

/**
 * A server that also forwards a port of its own to port 3000 of each machine, byte by byte over the same dial as the way
 * in, and prints `direct PORT`: what HTTP and TLS cost is what is slower than that.
 */
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stop.abort());

const openHost: OpenOwnHost = async (config, log, signal) => {
  const host = await openMachines(config, log, signal);
  const create = host.create.bind(host);
  host.create = async (...args) => {
    const machine = await create(...args);
    process.stdout.write(`direct ${await forward(machine)}\n`);
    return machine;
  };
  return host;
};

async function forward({ guest, gone }: HostedMachine): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    guest.dial({ tcp: { host: "127.0.0.1", port: 3_000 } }).then(
      (dialled) => {
        const there = new GuestDuplex(dialled, { allowHalfOpen: false });
        pipeline(socket, there, socket, () => {}); // whoever measures hears of it
      },
      () => void socket.destroy(),
    );
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  void gone.then(() => server.close());
  return (server.address() as AddressInfo).port; // of a TCP server that listens
}

const config = readConfig(process.argv.slice(2));
if (config === null) throw new Error("it is not asked for help");
const server = await serve(config, new AbortController().signal, { openHost });
await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
await server.close();
process.exit();
