import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { startIngress } from "../testing/ingress-fixture.ts";

suite("a private name", () => {
  test("answers to signed addresses, and its server hears nothing of that", async () => {
    await using way = await startIngress();
    const seen: string[] = [];
    const public_ = await way.serve((request, response) => {
      seen.push(`${request.url} ${JSON.stringify(request.headers)}`);
      response.end("in");
    });
    const port = way.portOf(public_);
    const { domain, url } = await way.expose(port, { private: true, expires_in_ms: 60_000 });
    const { search, hash } = new URL(url);
    assert.equal(hash, "");
    const token = new URLSearchParams(search).get("skerry-token") ?? "";

    const page = { headers: { accept: "text/html" } };
    const refused = await way.ask(domain, "/", page);
    assert.equal(refused.status, 403);
    assert.match(refused.body, /no valid signature/);
    assert.equal((await way.ask(domain, "/?skerry-token=1.wrong")).status, 403);

    const sentOn = await way.ask(domain, `/a${search}`, page);
    assert.deepEqual([sentOn.status, sentOn.headers.location], [302, `https://${domain}/a`]);
    const cookie = sentOn.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
    const shown = await way.ask(domain, "/a", { headers: { accept: "text/html", cookie } });
    assert.deepEqual([shown.status, shown.body], [200, "in"]);
    assert.equal((await way.ask(domain, `/b${search}`)).body, "in");
    assert.equal(
      (await way.ask(domain, "/c", { headers: { "x-skerry-token": token } })).body,
      "in",
    );
    assert.equal(seen.length, 3);
    assert.ok(!seen.some((text) => text.includes(token) || text.includes("__Host-skerry")));

    const other = await way.expose(port, { private: true });
    assert.equal((await way.ask(other.domain, `/${search}`)).status, 403);
  });

  test("has more addresses for who asks, each for its time", async () => {
    await using way = await startIngress();
    const open = await way.serve((request, response) => response.end(request.url));
    const { domain } = await way.expose(way.portOf(open), { private: true });
    const path = `/api/v1/sandboxes/${way.client.sandboxId}/urls`;
    const sign = async (body: object): Promise<{ status: number; url: string }> => {
      const answer = await way.fixture.fetch(path, { method: "POST", body: JSON.stringify(body) });
      return { status: answer.status, url: "", ...((await answer.json()) as object) };
    };
    const { url } = await sign({ url: `https://${domain}/deep?x=1`, expires_in_ms: 60_000 });
    const { pathname, search } = new URL(url);
    assert.equal((await way.ask(domain, `${pathname}${search}`)).body, "/deep?x=1");
    assert.equal((await sign({ url: `https://${open}/` })).status, 400, "it is not private");
    assert.equal((await sign({ url: "https://nobody.skerry.localhost/" })).status, 404);
    assert.equal((await sign({ url: "http://x/" })).status, 400);
    assert.equal((await sign({ url: `https://${domain}/`, expires_in_ms: 1e15 })).status, 400);
    const other = await way.fixture.create();
    const stranger = await way.fixture.fetch(path.replace(way.client.sandboxId, other.sandboxId), {
      method: "POST",
      body: JSON.stringify({ url: `https://${domain}/` }),
    });
    assert.equal(stranger.status, 404, "it is another sandbox's");
  });
});
