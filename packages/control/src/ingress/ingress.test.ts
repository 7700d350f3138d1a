import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { after, before, suite, test } from "node:test";

import { limits } from "@skerry/protocol";

import { eventually } from "../testing/eventually.ts";
import { startIngress, type IngressFixture } from "../testing/ingress-fixture.ts";

let way: IngressFixture;
before(async () => {
  way = await startIngress();
});
after(() => way[Symbol.asyncDispose]());

type Seen = readonly [method: string, url: string, headers: Readonly<Record<string, string>>];

/** A name whose server tells what it was asked. */
async function mirror(): Promise<string> {
  return await way.serve((request, response) => {
    request.resume().on("end", () => {
      response.end(JSON.stringify([request.method, request.url, request.headers]));
    });
  });
}

suite("a name of a sandbox", () => {
  test("leads to its port, with what the client said and who it is", async () => {
    const domain = await mirror();
    const headers = { "x-mine": "1", connection: "x-hop, close", "x-hop": "1", te: "trailers" };
    const answer = await way.ask(domain, "/a%20b?b=c", { headers });
    assert.equal(answer.status, 200);
    const [method, url, seen] = JSON.parse(answer.body) as Seen;
    assert.deepEqual([method, url, seen["x-mine"]], ["GET", "/a%20b?b=c", "1"]);
    assert.equal(seen["host"], domain);
    assert.equal(seen["x-forwarded-for"], "127.0.0.1");
    assert.equal(seen["x-forwarded-host"], domain);
    assert.equal(seen["x-forwarded-proto"], "https");
    assert.equal(seen["forwarded"], `for=127.0.0.1;host="${domain}";proto=https`);
    assert.deepEqual([seen["x-hop"], seen["te"]], [undefined, undefined]);
  });

  test("tells the server nothing that the client has made up of itself", async () => {
    const domain = await mirror();
    const headers = {
      ...{ "x-forwarded-for": "1.2.3.4", "X-Forwarded-Proto": "http", "x-forwarded-server": "x" },
      ...{ forwarded: "for=1.2.3.4", "x-real-ip": "1.2.3.4", "x-forwarded-host": "evil" },
    };
    const [, , seen] = JSON.parse((await way.ask(domain, "/", { headers })).body) as Seen;
    assert.doesNotMatch(JSON.stringify(seen), /1\.2\.3\.4|evil|x-real-ip|x-forwarded-server/);
  });

  test("keeps the tokens of the platform, and no others", async () => {
    const domain = await mirror();
    const seenWith = async (authorization: string): Promise<string | undefined> => {
      const { body } = await way.ask(domain, "/", { headers: { authorization } });
      return (JSON.parse(body) as Seen)[2]["authorization"];
    };
    const { token } = way.fixture;
    assert.equal(await seenWith(`Bearer ${token}`), undefined);
    assert.equal(await seenWith(`bearer   ${token} `), undefined);
    assert.equal(await seenWith("Bearer ddo_ofanotherplatform"), "Bearer ddo_ofanotherplatform");
    assert.equal(await seenWith("Basic dTpw"), "Basic dTpw");
    assert.equal((await way.fixture.control.tokens.list())[0]?.name, "test");
  });

  test("passes answers on as they are, but for what reaches beyond the name", async () => {
    const domain = await way.serve((_request, response) => {
      response.writeHead(299, "Odd", [
        ...["Set-Cookie", "a=1; Path=/; Domain=skerry.localhost"],
        ...["Set-Cookie", "b=2; domain=.localhost; Secure"],
        ...["Set-Cookie", "__Host-skerry=mine; Secure; Path=/"],
        ...["X-Twice", "1", "X-Twice", "2", "Clear-Site-Data", '"*"', "Alt-Svc", 'h3=":1"'],
        ...["Connection", "X-Hop", "X-Hop", "1", "Content-Type", "text/odd"],
      ]);
      response.end("body");
    });
    const answer = await way.ask(domain);
    assert.deepEqual([answer.status, answer.body], [299, "body"]);
    assert.deepEqual(answer.headers["set-cookie"], ["a=1; Path=/", "b=2; Secure"]);
    assert.equal(answer.headers["x-twice"], "1, 2");
    assert.equal(answer.headers["content-type"], "text/odd");
    for (const name of ["clear-site-data", "alt-svc", "x-hop"]) {
      assert.equal(answer.headers[name], undefined, name);
    }
  });

  test("takes every method, with a body and without, and answers that have none", async () => {
    const domain = await way.serve((request, response) => {
      const status = Number(request.url?.slice(1));
      if (status > 0) {
        response.writeHead(status);
        response.end();
        return;
      }
      let bytes = 0;
      request.on("data", (chunk: Buffer) => (bytes += chunk.length));
      request.on("end", () => response.end(`${request.method} ${bytes}`));
    });
    const headers = { "content-length": "5" }; // Node would leave it out of a GET
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
      assert.equal((await way.ask(domain, "/", { method })).body, `${method} 0`);
      assert.equal(
        (await way.ask(domain, "/", { method, headers, body: "12345" })).body,
        `${method} 5`,
      );
    }
    const head = await way.ask(domain, "/", { method: "HEAD" });
    assert.deepEqual([head.status, head.body], [200, ""]);
    for (const status of [204, 205, 304]) {
      const answer = await way.ask(domain, `/${status}`);
      assert.deepEqual([answer.status, answer.body], [status, ""]);
    }
  });

  test("uses connections again for what may be sent twice, also when the server has closed them", async () => {
    let connections = 0;
    const domain = await way.serveRaw((socket) => {
      connections++;
      let requests = 0;
      socket.on("data", (chunk: Buffer) => {
        for (const _ of chunk.toString().matchAll(/\r\n\r\n/g)) {
          if (++requests === 3) socket.destroy(); // without an answer, as when a server's patience ends
          else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
      });
    });
    for (let i = 0; i < 5; i++) assert.equal((await way.ask(domain)).body, "ok");
    assert.ok(connections < 5, `${connections}`);
    const before = connections;
    assert.equal((await way.ask(domain, "/", { method: "POST" })).body, "ok");
    assert.equal(connections, before + 1);
  });

  test("lets go of a connection that says something unasked, or ends, while nobody uses it", async () => {
    const answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
    for (const unasked of [`${answer}no`, null]) {
      let [connections, closed] = [0, 0];
      const domain = await way.serveRaw((socket) => {
        connections++;
        socket.once("close", () => closed++);
        socket.once("data", () => {
          socket.write(`${answer}ok`);
          const after = (): void => void (unasked === null ? socket.end() : socket.write(unasked));
          setTimeout(after, 20);
        });
      });
      assert.equal((await way.ask(domain)).body, "ok");
      await eventually(() => closed === 1);
      assert.equal((await way.ask(domain)).body, "ok");
      assert.equal(connections, 2);
    }
  });

  test("passes bytes on as they come, in both directions", async () => {
    const domain = await way.serve((request, response) => {
      response.write("ready;");
      request.on("data", (chunk: Buffer) => response.write(`<${chunk.toString()}>`));
      request.on("end", () => response.end());
    });
    const sent = request({
      ...{ host: "127.0.0.1", port: way.port, ca: way.ca, agent: false, method: "POST" },
      ...{ headers: { host: domain }, servername: domain.split(":")[0] },
    });
    sent.write("one");
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    let seen = "";
    answer.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    await eventually(() => seen === "ready;<one>");
    sent.write("two");
    await eventually(() => seen === "ready;<one><two>");
    sent.end();
    await once(answer, "end");
  });

  test("passes trailers and early hints on", async () => {
    const domain = await way.serve((request, response) => {
      request.resume().on("end", () => {
        response.writeEarlyHints({ link: "</a.css>; rel=preload" });
        response.writeHead(200, { trailer: "x-sum" });
        response.write("body");
        const sum = Object.entries(request.trailers).join();
        response.addTrailers([
          ["x-sum", sum],
          ["set-cookie", "late=1"],
        ]);
        response.end();
      });
    });
    const sent = request({
      ...{ host: "127.0.0.1", port: way.port, ca: way.ca, agent: false, method: "POST" },
      ...{ headers: { host: domain }, servername: domain.split(":")[0] },
    });
    const hints: string[] = [];
    sent.on("information", ({ statusCode, headers }) => {
      hints.push(`${statusCode} ${String(headers["link"])}`);
    });
    sent.write("x");
    sent.addTrailers({ "x-up": "7", authorization: "9" });
    sent.end();
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    await once(answer.resume(), "end");
    assert.deepEqual(hints, ["103 </a.css>; rel=preload"]);
    assert.deepEqual({ ...answer.trailers }, { "x-sum": "x-up,7" });
  });

  test("asks the server before a client that waits sends its body", async () => {
    const domain = await way.serveRaw((socket) => {
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        const before = text;
        text += chunk.toString();
        if (text.includes("/no")) {
          socket.end("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno");
        } else if (before === "" && !text.includes("/silent")) {
          socket.write("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if (text.endsWith("12345")) socket.end("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes");
      });
    });
    const expect = async (path: string): Promise<readonly [boolean, string]> => {
      const sent = request({
        ...{ host: "127.0.0.1", port: way.port, ca: way.ca, agent: false, method: "PUT", path },
        headers: { host: domain, expect: "100-continue", "content-length": 5 },
        servername: domain.split(":")[0],
      });
      let isAsked = false;
      sent.on("continue", () => {
        isAsked = true;
        sent.end("12345");
      });
      sent.flushHeaders();
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      const chunks = (await answer.toArray()) as Buffer[];
      sent.destroy();
      return [isAsked, Buffer.concat(chunks).toString()];
    };
    assert.deepEqual(await expect("/yes"), [true, "yes"]);
    assert.deepEqual(await expect("/no"), [false, "no"]);
    assert.deepEqual(await expect("/silent"), [true, "yes"]);
  });

  test("ends the server's work when the client goes away", async () => {
    let [begun, ended] = [0, 0];
    const domain = await way.serve((request, response) => {
      begun++;
      if (request.url === "/body") response.write("begun");
      request.socket.once("close", () => ended++);
    });
    for (const path of ["/head", "/body"]) {
      const sent = request({
        ...{ host: "127.0.0.1", port: way.port, ca: way.ca, agent: false, path },
        ...{ headers: { host: domain }, servername: domain.split(":")[0] },
      });
      sent.on("error", () => {});
      sent.end();
      if (path === "/body") await once(sent, "response");
      else await eventually(() => begun === 1);
      sent.destroy();
    }
    await eventually(() => ended === 2);
  });
});

suite("a request that leads nowhere", () => {
  test("is told why: in words for people, as JSON for programs", async () => {
    const { domain } = await way.expose(9);
    const page = await way.ask(domain, "/", { headers: { accept: "text/html,*/*" } });
    assert.equal(page.status, 502);
    assert.match(page.headers["content-type"] ?? "", /^text\/html/);
    assert.match(page.body, /Nothing in the sandbox takes connections.*\(port 9\)/);
    assert.match(String(page.headers["content-security-policy"]), /default-src 'none'/);
    assert.equal(page.headers["retry-after"], "2");
    const json = await way.ask(domain);
    assert.equal((JSON.parse(json.body) as { code: string }).code, "NOTHING_LISTENS");
  });

  test("says the same of a name that never was and of one that is over", async () => {
    const other = await way.fixture.create();
    const path = `/api/v3/sandboxes/${other.sandboxId}/expose/http`;
    const reserved = await way.fixture.fetch(path, { method: "POST", body: "{}" });
    const { domain } = (await reserved.json()) as { domain: string };
    const early = await way.ask(domain);
    assert.equal((JSON.parse(early.body) as { code: string }).code, "NAME_NOT_BOUND");
    const stranger = way.client.ask("exposeHttp", { domain, port: 80 });
    assert.match(JSON.stringify(await stranger), /NAME_NOT_FOUND/, "it is not this sandbox's");
    await way.fixture.fetch(`/api/v3/sandbox/${other.sandboxId}`, { method: "DELETE" });
    const accept = { headers: { accept: "text/html" } };
    const over = await way.ask(domain, "/", accept);
    const never = await way.ask("nobody.skerry.localhost", "/", accept);
    assert.deepEqual([over.status, over.body], [404, never.body]);
    assert.equal((await way.ask("skerry.localhost", "/", accept)).body, never.body);
  });

  test("is refused when its host makes no sense, or is another's", async () => {
    const domain = await mirror();
    const host = async (text: string): Promise<{ readonly status: number }> =>
      await way.ask(domain, "/", { headers: { host: text } });
    assert.equal((await host('x"y.skerry.localhost')).status, 400);
    assert.equal((await host("example.com")).status, 404);
    assert.equal((await host("api.skerry.localhost")).status, 421);
    const absolute = await way.ask("nobody.skerry.localhost", `https://${domain}/there?x`);
    assert.equal((JSON.parse(absolute.body) as Seen)[1], "/there?x");
  });

  test("is told of a server that gives no valid answer", async () => {
    const answers: Readonly<Record<string, string>> = {
      garbage: "this is not HTTP\r\n\r\n",
      nothing: "",
      half: "HTTP/1.1 200 OK\r\nx: ",
      endless: `HTTP/1.1 200 OK\r\nx: ${"y".repeat(200_000)}`,
      smuggled:
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      zero: "HTTP/1.1 000 None\r\n\r\n",
      switched: "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    };
    for (const [name, text] of Object.entries(answers)) {
      const domain = await way.serveRaw((socket) => socket.end(text));
      const answer = await way.ask(domain);
      assert.equal(answer.status, 502, name);
      assert.equal((JSON.parse(answer.body) as { code: string }).code, "BAD_ANSWER", name);
    }
  });

  test("is cut off when the answer ends too early, so that nobody takes it for whole", async () => {
    for (const text of [
      "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\nzz",
    ]) {
      const domain = await way.serveRaw((socket) => socket.once("data", () => socket.end(text)));
      await assert.rejects(way.ask(domain));
    }
    const domain = await mirror();
    assert.equal((await way.ask(domain)).status, 200);
  });

  test("is one of too many", async () => {
    const held: (() => void)[] = [];
    const domain = await way.serve((_request, response) => {
      held.push(() => response.end("done"));
    });
    const waiting = Array.from({ length: limits.ingressRequestsMax }, () => way.ask(domain));
    await eventually(() => held.length === limits.ingressRequestsMax);
    assert.equal((await way.ask(domain)).status, 503);
    for (const release of held) release();
    assert.ok((await Promise.all(waiting)).every(({ body }) => body === "done"));
    const last = way.ask(domain);
    await eventually(() => held.length > limits.ingressRequestsMax);
    held.at(-1)?.();
    assert.equal((await last).status, 200);
  });
});

suite("the names of a sandbox", () => {
  test("are not more than they may be", async () => {
    await using own = await startIngress();
    for (let i = 0; i < limits.ingressNamesMax; i++) await own.expose(80);
    const path = `/api/v3/sandbox/${own.client.sandboxId}/expose/http`;
    const refused = await own.fixture.fetch(path, { method: "POST", body: "{}" });
    assert.equal(refused.status, 429);
  });

  test("are in its event log, and so are requests, but not all of a flood", async () => {
    await using own = await startIngress();
    const domain = await own.serve((_request, response) => response.end());
    const count = limits.ingressEventsPerMinuteMax + 5;
    for (let i = 0; i < count; i++) await own.ask(domain, `/path?secret=${i}`);
    const path = `/api/v1/sandboxes/${own.client.sandboxId}/events`;
    const events = (await (await own.fixture.fetch(path)).json()) as {
      kind: string;
      detail: Record<string, unknown>;
    }[];
    const [exposed] = events.filter(({ kind }) => kind === "http-exposed");
    assert.equal(exposed?.detail["kind"], "port");
    const requests = events.filter(({ kind }) => kind === "http-request");
    assert.equal(requests.length, limits.ingressEventsPerMinuteMax);
    const { durationMs: _, ...detail } = requests[0]?.detail ?? {};
    const name = domain.split(".")[0];
    assert.deepEqual(detail, { name, method: "GET", path: "/path", status: 200 });
  });
});

suite("the API", () => {
  test("is served with TLS too, sockets and all", async () => {
    const { host } = new URL(way.endpoint.apiUrl);
    const authorization = `Bearer ${way.fixture.token}`;
    const answer = await way.ask(host, "/api/v1/status", { headers: { authorization } });
    assert.equal(answer.status, 200);
    assert.equal((await way.ask(host, "/api/v1/status")).status, 401);
    assert.equal((await way.ask("ams.skerry.localhost", "/api/v1/status")).status, 401);
    const socket = await way.connect(host);
    socket.write(
      [
        `GET /api/v3/sandbox/${way.client.sandboxId}/connect HTTP/1.1`,
        `host: ${host}`,
        `authorization: ${authorization}`,
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        "\r\n",
      ].join("\r\n"),
    );
    const [head] = (await once(socket, "data")) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 101/);
  });

  test("says so when nothing can be exposed", async () => {
    const { startControl } = await import("../testing/control-fixture.ts");
    await using server = await startControl();
    await using client = await server.create();
    const path = `/api/v3/sandbox/${client.sandboxId}/expose/http`;
    const answer = await server.fetch(path, { method: "POST", body: "{}" });
    assert.equal(answer.status, 501);
    assert.equal(((await answer.json()) as { code: string }).code, "INGRESS_OFF");
  });
});
