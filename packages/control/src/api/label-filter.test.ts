import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { readLabelFilter } from "./label-filter.ts";

const read = (query: string) => readLabelFilter(new URLSearchParams(query));

suite("the label filter of a list", () => {
  test("is the JavaScript client's", () => {
    assert.deepEqual(read("labels%5Bteam%5D=red&labels%5Ba%5Bb%5D%5D=c%3Dd&page=2"), {
      team: "red",
      "a[b]": "c=d",
    });
    assert.deepEqual(read(""), {});
  });

  test("is the Python client's, which sends the text of a dictionary", () => {
    const of = (text: string) => read(new URLSearchParams({ labels: text }).toString());
    assert.deepEqual(of("{'team': 'red', 'tier': '1'}"), { team: "red", tier: "1" });
    assert.deepEqual(of(`{"it's": 'a "b"', 'c\\\\d': '\\'\\n'}`), {
      "it's": 'a "b"',
      "c\\d": "'\n",
    });
    assert.deepEqual(of("{}"), {});
  });

  for (const text of ["red", "{'a'}", "{'a': 1}", "{'a': 'b'", "{'a': 'b' 'c': 'd'}"]) {
    test(`${text} is refused, not ignored`, () => {
      assert.throws(() => read(new URLSearchParams({ labels: text }).toString()), {
        code: "INVALID_REQUEST",
      });
    });
  }
});
