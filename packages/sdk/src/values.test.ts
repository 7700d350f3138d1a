import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import fc from "fast-check";

import { decodeValue, encodeArguments } from "./values.ts";

interface ReplValues {
  toJson(value: unknown): string;
  toDevalue(value: unknown): string;
}

let directory: string;
let values: ReplValues;

/** What is on the runtime disk, laid out as it is there. */
before(async () => {
  directory = mkdtempSync(join(tmpdir(), "skerry-values-"));
  const sources = fileURLToPath(new URL("../../host/runtime/deno", import.meta.url));
  cpSync(sources, directory, { recursive: true });
  const library = dirname(fileURLToPath(import.meta.resolve("devalue")));
  cpSync(library, join(directory, "devalue"), { recursive: true });
  cpSync(join(library, "../package.json"), join(directory, "package.json"));
  values = (await import(pathToFileURL(join(directory, "values.js")).href)) as ReplValues;
});
after(() => rmSync(directory, { recursive: true }));

suite("values of a REPL", () => {
  test("come back as what they were", () => {
    const anything = fc.anything({
      ...{ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true },
      ...{ withSparseArray: false, withNullPrototype: false },
    });
    fc.assert(
      fc.property(anything, (value) => {
        assert.deepEqual(decodeValue(values.toDevalue(value)), value);
      }),
    );
  });

  test("cycles, errors, functions and instances have a form", () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const back = decodeValue(values.toDevalue(cycle)) as typeof cycle;
    assert.equal(back.self, back);
    const error = new RangeError("no", { cause: new TypeError("why") });
    const told = decodeValue(values.toDevalue([error])) as [Error];
    assert.ok(told[0] instanceof Error);
    assert.deepEqual(
      [told[0].name, told[0].message, told[0].stack],
      ["RangeError", "no", error.stack],
    );
    assert.equal((told[0].cause as Error).name, "TypeError");
    class Point {
      readonly x = 1;
    }
    const rest = decodeValue(values.toDevalue([new Point(), () => 1, Symbol("s")]));
    assert.deepEqual(rest, [{ x: 1 }, "[Function: (anonymous)]", "Symbol(s)"]);
  });

  test("whatever a value does when it is looked at, there is JSON of it", () => {
    const hostile = new Proxy(
      {},
      {
        get: () => assert.fail("get"),
        ownKeys: () => assert.fail("ownKeys"),
        getPrototypeOf: () => assert.fail("getPrototypeOf"),
      },
    );
    const revoked = Proxy.revocable([], {});
    revoked.revoke();
    const odd = [
      hostile,
      revoked.proxy,
      {
        get bad(): never {
          throw new Error("no");
        },
      },
      Object.create(null),
    ];
    assert.doesNotThrow(() => JSON.parse(values.toJson(odd)));
    assert.doesNotThrow(() => decodeValue(values.toDevalue(odd)));
    fc.assert(fc.property(fc.anything(), (value) => void JSON.parse(values.toJson(value))));
  });

  test("an array that says it is endless is refused", () => {
    const endless = new Proxy([], {
      get: (target, key) => (key === "length" ? 2 ** 32 : Reflect.get(target, key)),
    });
    assert.throws(() => values.toJson(endless), /entries/);
  });

  test("arguments are what can be sent, and said so when not", () => {
    assert.deepEqual(decodeValue(encodeArguments([new Map([[1, 2]]), 3n])), [
      new Map([[1, 2]]),
      3n,
    ]);
    assert.throws(() => encodeArguments([() => 1]), { code: "INVALID_OPTION" });
  });
});
