import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { startControl } from "../testing/control-fixture.ts";

suite("a connection", () => {
  test("runs a command and sends its output", async () => {
    await using server = await startControl();
    await using client = await server.create();
    const spawned = await client.call("spawn", {
      ...{ command: "echo", args: ["hello", "world"], stdout: "piped", stderr: "piped" },
    });
    const { pid, stdoutStreamId, stderrStreamId } = spawned as Record<string, number>;
    assert.ok(pid !== undefined);
    assert.deepEqual(await client.call("processWait", { pid }), {
      ...{ success: true, code: 0, signal: null, oom: null },
    });
    assert.equal((await client.output(stdoutStreamId)).toString(), "hello world\n");
    assert.equal((await client.output(stderrStreamId)).length, 0);
  });
});
