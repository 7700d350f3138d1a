import assert from "node:assert/strict";
import { suite, test } from "node:test";

import type { Driver, Machine } from "@skerry/host";
import { GuestClient, GuestLink } from "@skerry/host/guest";

/** One kind of driver, and a way to see what it holds on the host. */
export interface Subject {
  readonly driver: Driver;
  /** Everything that the driver's machines hold now. */
  readonly holdings: () => string[];
  /** How far into a boot the aborts go, in ms: from the first step to past the last. */
  readonly abortAfterMs: readonly number[];
}

const spec = { memoryMiB: 768, vcpuCount: 2 };

/** What every driver promises. `open` is called once; the suite disposes of what it starts. */
export function driverSuite(name: string, open: () => Promise<Subject>): void {
  suite(`the ${name} driver`, { timeout: 400_000 }, () => {
    let opened: Promise<Subject> | undefined;
    const subject = (): Promise<Subject> => (opened ??= open());

    test("gives back all that its first machines held, which boot at the same time", async () => {
      const { driver, holdings } = await subject();
      const before = holdings();
      {
        const boots = Promise.all([driver.boot(spec, never()), driver.boot(spec, never())]);
        const [first, second] = await boots;
        await using _first = first;
        await using _second = second;
        assert.notDeepEqual(holdings(), before);
        await Promise.all([greeted(first), greeted(second)]);
      }
      assert.deepEqual(holdings(), before);
    });

    test("leaves nothing behind when a boot is aborted, however far it got", async () => {
      const { driver, holdings, abortAfterMs } = await subject();
      const before = holdings();
      for (const ms of abortAfterMs) {
        const reason = new Error("given up");
        const abort = new AbortController();
        const timer = setTimeout(() => abort.abort(reason), ms);
        try {
          await using _machine = await driver.boot(spec, abort.signal);
        } catch (error) {
          assert.equal(error, reason);
        }
        clearTimeout(timer);
        assert.deepEqual(holdings(), before, `after ${ms} ms`);
      }
    });

    test("refuses to boot when the signal is aborted already", async () => {
      const { driver, holdings } = await subject();
      const before = holdings();
      const reason = new Error("too late");
      await assert.rejects(driver.boot(spec, AbortSignal.abort(reason)), reason);
      assert.deepEqual(holdings(), before);
    });

    test("tells why a machine is gone, once, and may be disposed of twice", async () => {
      const { driver } = await subject();
      const machine = await driver.boot(spec, never());
      await Promise.all([machine[Symbol.asyncDispose](), machine[Symbol.asyncDispose]()]);
      assert.equal((await machine.gone).kind, "disposed");
    });

    test("makes a template, and restores machines that do not share what they change", async () => {
      const { driver, holdings } = await subject();
      const before = holdings().filter((held) => !held.includes("/templates/"));
      const template =
        (await driver.findTemplate(spec)) ??
        (await driver.makeTemplate(
          spec,
          async (machine) => void (await greeted(machine)),
          never(),
        ));
      assert.deepEqual(await driver.findTemplate(spec), template);
      {
        await using first = await driver.restore(template, never());
        await using second = await driver.restore(template, never());
        const [one, two] = await Promise.all([greeted(first), greeted(second)]);
        await one.call("env.set", { key: "WHO", value: "first" });
        assert.equal(await one.call("env.get", { key: "WHO" }), "first");
        assert.equal(await two.call("env.get", { key: "WHO" }), null);
      }
      const after = holdings().filter((held) => !held.includes("/templates/"));
      assert.deepEqual(after, before);
    });

    test("answers again after a pause", async () => {
      const { driver } = await subject();
      await using machine = await driver.boot(spec, never());
      const guest = await greeted(machine);
      await machine.pause();
      await machine.resume();
      await guest.call("ping", {});
    });

    test("keeps a label with the machine", async () => {
      const { driver } = await subject();
      await using machine = await driver.boot(spec, never());
      assert.equal(machine.label, undefined);
      await machine.setLabel("sbx");
      assert.equal(machine.label, "sbx");
    });
  });
}

async function greeted(machine: Machine): Promise<GuestClient> {
  const port = await machine.connect(never());
  const signal = AbortSignal.timeout(60_000);
  const link = await GuestLink.open(port, { canNudge: false, signal });
  return new GuestClient(link);
}

function never(): AbortSignal {
  return new AbortController().signal;
}
