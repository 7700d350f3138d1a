import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";

import { Sandbox as OfficialSandbox } from "@deno/sandbox";
import { emulation, openHost, QemuDriver } from "@skerry/host";
import { GuestLink } from "@skerry/host/guest";
import { type Guest, makeSandboxId, openAccess } from "@skerry/protocol";
import { Sandbox } from "@skerry/sdk";
import { pino } from "pino";

import {
  machineParts,
  makeTestHome,
  openNetwork,
  prepared,
} from "../../test/support/machine-home.ts";
import { useServer } from "../../test/support/official.ts";
import { startServer, type TestServer } from "../../test/support/server.ts";
import { row, type Row, timed, times } from "./stats.ts";

const never = new AbortController().signal;

/** create → first command finished: from the pool, from a template, by a boot; and where the time goes. */
export async function create(): Promise<Row[]> {
  return [
    ...(await throughTheApi()),
    ...(await phases("pool", 6)),
    ...(await phases("template", 0)),
  ];
}

async function throughTheApi(): Promise<Row[]> {
  const rows: Row[] = [];
  {
    await using server = await startServer({ pool: 6 });
    const from = { endpoint: server.url, token: server.token };
    useServer(server);
    const fresh = (): Promise<number> => firstCommand(() => Sandbox.create(from));
    const one = async (): Promise<number> => {
      await poolFull(server, 6);
      return await fresh();
    };
    await one();
    rows.push(row("pool, 1 at once", "ms", await collect(25, one)));
    const official = async (): Promise<number> => {
      await poolFull(server, 6);
      return await firstCommand(() => OfficialSandbox.create());
    };
    rows.push(row("pool, 1 at once, official client", "ms", await collect(15, official)));
    await poolFull(server, 6);
    rows.push(...(await atOnce("pool of 6", 5, fresh)));
    await poolFull(server, 6);
    rows.push(...(await atOnce("pool of 6", 20, fresh)));
  }
  {
    await using server = await startServer({ pool: 0 });
    const from = { endpoint: server.url, token: server.token };
    const one = (): Promise<number> => firstCommand(() => Sandbox.create(from));
    await one();
    rows.push(row("template, 1 at once", "ms", await collect(20, one)));
    rows.push(...(await atOnce("template", 5, one)));
    rows.push(...(await atOnce("template", 20, one)));
    // No template has these sizes, and the one that is made behind each is of no use to the next.
    let memoryMb = 800;
    const boot = (): Promise<number> => {
      memoryMb += 1;
      return firstCommand(() => Sandbox.create({ ...from, memoryMb }));
    };
    const cold = await collect(5, boot);
    rows.push(row("boot, 1 at once (a template is made meanwhile)", "ms", cold));
    for (const count of [5, 20]) rows.push(...(await atOnce("boot", count, boot)));
  }
  return rows;
}

async function collect(count: number, work: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < count; i += 1) values.push(await work());
  return values;
}

async function firstCommand(
  make: () => Promise<Pick<OfficialSandbox, "sh" | "close"> | Sandbox>,
): Promise<number> {
  let sandbox: Awaited<ReturnType<typeof make>> | undefined;
  const ms = await timed(async () => {
    sandbox = await make();
    await sandbox.sh`true`;
  });
  await sandbox?.close();
  return ms;
}

/** Many at the same time: how long each took, and how long all. */
async function atOnce(name: string, count: number, one: () => Promise<number>): Promise<Row[]> {
  const each: number[] = [];
  const all = await timed(async () => {
    each.push(...(await Promise.all(Array.from({ length: count }, one))));
  });
  return [
    row(`${name}, ${count} at once, each`, "ms", each),
    row(`${name}, ${count} at once, all finished`, "ms", [all]),
  ];
}

async function poolFull(server: TestServer, size: number): Promise<void> {
  for (;;) {
    const answer = await fetch(`${server.url}/api/v1/status`, {
      headers: { authorization: `Bearer ${server.token}` },
    });
    if ((await answer.text()).includes(`"poolReady":${size}`)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The same without the API, step by step, beside a bare restore of the same template. */
async function phases(from: "pool" | "template", poolSize: number): Promise<Row[]> {
  const { home: shared } = prepared();
  using home = makeTestHome(shared);
  const log = pino({ level: "silent" });
  const pool = { size: poolSize, memoryMiB: 1280 };
  const machine = machineParts();
  await using host = await openHost({ home: home.path, machine, pool, log }, never);
  await host.adopt(new Map(), never);
  const steps = new Map<string, number[]>();
  const note = (step: string, ms: number): void => {
    steps.set(step, [...(steps.get(step) ?? []), ms]);
  };
  for (let i = 0; i < 12; i += 1) {
    if (poolSize > 0) await host.poolFull(never);
    const id = makeSandboxId("ord", randomBytes(20));
    const started = performance.now();
    const network = openAccess;
    await using made = await host.create({ id, memoryMiB: 1280, env: {}, network }, never);
    const created = performance.now();
    for (const command of ["first command", "second command"]) {
      note(command, await timed(() => runTrue(made.guest)));
    }
    for (const [step, ms] of Object.entries(made.origin.phasesMs)) note(step, ms);
    note("create, all", created - started);
  }
  const rows = [...steps].map(([step, values]) => row(`${from}: ${step}`, "ms", values));
  return from === "pool"
    ? rows
    : [...rows, row("a bare restore until the guest greets", "ms", await bareRestore(shared))];
}

async function runTrue(guest: Guest): Promise<void> {
  const child = await guest.spawn({
    ...{ command: "bash", args: ["-c", "true"] },
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  });
  await child.exit;
}

/** The limit: QEMU, the template, and nothing of ours but the greeting. */
async function bareRestore(shared: string): Promise<number[]> {
  using own = makeTestHome(shared);
  const home = own.path;
  const { image, launcher } = prepared();
  const version = execFileSync("qemu-system-x86_64", ["--version"], { encoding: "utf8" });
  const qemuVersion = version.split("\n")[0] ?? "";
  const log = pino({ level: "silent" });
  const acceleration = emulation("measured");
  const network = await openNetwork(home);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => network.close(false));
  const options = { home, image, launcher, network, qemuVersion, acceleration, log };
  const driver = await QemuDriver.open(options);
  const template = await driver.findTemplate({ memoryMiB: 1280, vcpuCount: 2 });
  if (template === undefined) return [];
  return await times(12, async () => {
    await using machine = await driver.restore(template, never);
    const port = await machine.connect(never);
    await GuestLink.open(port, { canNudge: false, signal: never });
  });
}
