import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import { startIngress, type IngressFixture } from "../testing/ingress-fixture.ts";

let way: IngressFixture;
before(async () => {
  way = await startIngress();
});
after(() => way[Symbol.asyncDispose]());

suite("a name of a sandbox", () => {
  test("leads to its port, over TLS, with what the client said and who it is", async () => {
    const domain = await way.serve((request, response) => {
      response.setHeader("x-served", "yes");
      response.end(JSON.stringify([request.method, request.url, request.headers]));
    });
    const answer = await way.ask(domain, "/a?b=c", { headers: { "x-mine": "1" } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["x-served"], "yes");
    const [method, url, headers] = JSON.parse(answer.body) as [
      string,
      string,
      Record<string, string>,
    ];
    assert.deepEqual([method, url, headers["x-mine"]], ["GET", "/a?b=c", "1"]);
    assert.equal(headers["host"], domain);
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-forwarded-host"], domain);
    assert.equal(headers["x-forwarded-proto"], "https");
    assert.equal(headers["forwarded"], `for=127.0.0.1;host="${domain}";proto=https`);
  });
});
