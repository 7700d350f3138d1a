import assert from "node:assert/strict";
import { suite, test } from "node:test";

import fc from "fast-check";

import { fillHead } from "./head.ts";
import { SecretElsewhereError } from "./placeholders.ts";
import { placeholderOf, placeholdersOf, secretWith } from "./testing.ts";

const here = secretWith("a");
const elsewhere = secretWith("b", { hosts: ["other.example"] });
const inQuery = secretWith("c", { in: ["query"], value: "a b&c=ü-0123" });
const all = placeholdersOf([here, elsewhere, inQuery]);
const [a, b, c] = [placeholderOf("a"), placeholderOf("b"), placeholderOf("c")];

function header(name: string, value: string): string {
  return fillHead({ path: "/", headers: [name, value] }, all).headers[1] ?? "";
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

suite("the head of a request", () => {
  test("has values in place of placeholders, wherever they are in a header", () => {
    assert.equal(header("Authorization", `Bearer ${a}`), `Bearer ${here.value}`);
    assert.equal(header("x-api-key", a), here.value);
    assert.equal(header("X-Two", `${a}, ${a};q=1`), `${here.value}, ${here.value};q=1`);
  });

  test("has them inside of basic credentials", () => {
    assert.equal(header("Authorization", basic(`user:${a}`)), basic(`user:${here.value}`));
    assert.equal(header("authorization", basic(`${a}:`)), basic(`${here.value}:`));
    assert.equal(header("Authorization", basic("user:password")), basic("user:password"));
    assert.equal(header("Authorization", "Basic !!!"), "Basic !!!");
  });

  test("has none in headers that servers write down or pass on", () => {
    for (const name of ["Host", "User-Agent", "Referer", "Origin", "Cookie", "X-Forwarded-For"]) {
      assert.equal(header(name, `x ${a}`), `x ${a}`);
    }
  });

  test("has none in its path, and in its query only those that may be there", () => {
    const { path } = fillHead({ path: `/${a}?k=${a}&q=${c}`, headers: [] }, all);
    assert.equal(path, `/${a}?k=${a}&q=a%20b%26c%3D%C3%BC-0123`);
    assert.equal(header("x-key", c), c, "and a query's secret is in no header");
  });

  test("does not go on with the placeholder of a secret for another host", () => {
    for (const head of [
      { path: "/", headers: ["authorization", `Bearer ${b}`] },
      { path: "/", headers: ["authorization", basic(`x:${b}`)] },
      { path: `/?x=${b}`, headers: [] },
      { path: "/", headers: ["one", `${a}`, "two", `${b}`] },
    ]) {
      assert.throws(() => fillHead(head, all), SecretElsewhereError);
    }
  });

  test("says whether there is a secret in it", () => {
    const changed = (path: string, ...headers: string[]) =>
      fillHead({ path, headers }, all).isChanged;
    assert.equal(changed("/", "accept", "*/*"), false);
    assert.equal(changed("/", "x-key", a), true);
    assert.equal(changed(`/?${c}`), true);
    assert.equal(changed("/", "x-key", `DENO_SECRET_PLACEHOLDER_${"d".repeat(64)}`), false);
  });

  test("writes values beyond ASCII as the bytes of UTF-8", () => {
    const secret = secretWith("e", { value: "clé-0123456" });
    const { headers } = fillHead(
      { path: "/", headers: ["k", placeholderOf("e")] },
      placeholdersOf([secret]),
    );
    assert.deepEqual(Buffer.from(headers[1] ?? "", "latin1"), Buffer.from("clé-0123456"));
  });

  test("is the same head when it has no placeholder, whatever is in it", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (path, headers) => {
        const filled = fillHead({ path, headers }, all);
        assert.deepEqual([filled.path, filled.headers], [path, headers]);
      }),
    );
  });
});
