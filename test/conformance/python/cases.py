"""Every method of the official Python client, against a real server.

Each case is written once and run with both clients: `a` awaits what the asynchronous one gives and
passes on what the synchronous one does. Prints one JSON object a line for each case.
"""

import asyncio
import base64
import inspect
import json
import os
import sys
import tempfile
import time
import traceback
import urllib.request

from deno_sandbox import AsyncDenoDeploy, DenoDeploy

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


async def a(value):
    return await value if inspect.isawaitable(value) else value


async def fails(value, *words):
    try:
        await a(value() if callable(value) else value)
    except Exception as error:
        text = f"{type(error).__name__} {error}"
        missing = [word for word in words if word not in text]
        assert not missing, f"{missing} not in {text}"
        return
    raise AssertionError("it did not fail")


async def finished(process):
    """What a process wrote to stdout, and how it ended."""
    output = await a(process.stdout.read())
    return output.decode(), await a(process.wait())


@case
async def files_are_written_and_read(s):
    await a(s.fs.write_text_file("note.txt", "naïve ✓\n"))
    assert await a(s.fs.read_text_file("note.txt")) == "naïve ✓\n"
    await a(s.fs.write_text_file("note.txt", "more", append=True))
    assert (await a(s.fs.read_text_file("note.txt"))).endswith("more")
    content = bytes(range(256)) * 1000
    await a(s.fs.write_file("bytes.bin", content, mode=0o600))
    assert await a(s.fs.read_file("bytes.bin")) == content
    await fails(lambda: s.fs.write_text_file("note.txt", "", create_new=True), "EEXIST")
    await fails(lambda: s.fs.read_text_file("absent"), "NotFound", "ENOENT")


@case
async def directories_and_links(s):
    await a(s.fs.mkdir("d/e", recursive=True))
    await a(s.fs.write_text_file("d/f", "x"))
    names = sorted([entry["name"] for entry in await listed(s.fs.read_dir("d"))])
    assert names == ["e", "f"], names
    await a(s.fs.rename("d/f", "d/g"))
    await a(s.fs.copy_file("d/g", "d/h"))
    await a(s.fs.symlink("g", "d/link"))
    await a(s.fs.link("d/g", "d/second"))
    assert await a(s.fs.read_link("d/link")) == "g"
    assert await a(s.fs.real_path("d/link")) == "/home/sandbox/d/g"
    assert (await a(s.fs.lstat("d/link")))["is_symlink"]
    stat = await a(s.fs.stat("d/g"))
    assert stat["is_file"] and stat["size"] == 1 and stat["nlink"] == 2
    await a(s.fs.remove("d", recursive=True))
    await fails(lambda: s.fs.stat("d"), "NotFound")


async def listed(value):
    if hasattr(value, "__aiter__"):
        return [entry async for entry in value]
    value = await a(value)
    return list(value)


@case
async def the_other_calls_on_files(s):
    await a(s.fs.write_text_file("m", "12345"))
    await a(s.fs.chmod("m", 0o640))
    assert (await a(s.fs.stat("m")))["mode"] & 0o777 == 0o640
    await a(s.fs.chown("m", 1000, 1000))
    await a(s.fs.truncate("m", 2))
    assert await a(s.fs.read_text_file("m")) == "12"
    await a(s.fs.utime("m", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"))
    before = await a(s.fs.umask(0o077))
    assert await a(s.fs.umask(before)) == 0o077
    directory = await a(s.fs.make_temp_dir(prefix="p-"))
    file = await a(s.fs.make_temp_file(suffix=".s"))
    assert directory.startswith("/tmp/p-") and file.endswith(".s")


@case
async def open_files(s):
    file = await a(s.fs.create("handle"))
    assert await a(file.write(b"hello world")) == 11
    assert await a(file.seek(6, 0)) == 6
    assert await a(file.read(5)) == b"world"
    assert await a(file.read(5)) == b"", "the end"
    await a(file.truncate(5))
    await a(file.sync())
    await a(file.sync_data())
    await a(file.utime(1000.0, 2000.0))
    await a(file.lock(True))
    await a(file.unlock())
    assert (await a(file.stat()))["size"] == 5
    await a(file.close())
    await fails(lambda: file.stat(), "EBADF")
    other = await a(s.fs.open("handle", read=True))
    assert await a(other.read(100)) == b"hello"
    await a(other.close())


@case
async def searches(s):
    await a(s.fs.mkdir("tree/src", recursive=True))
    for name in ["tree/a.ts", "tree/b.js", "tree/src/c.ts"]:
        await a(s.fs.write_text_file(name, ""))
    # The client hands on what the server answers, so the server answers it with the entries.
    found = await a(s.fs.walk("tree", exts=[".ts"], include_dirs=False))
    assert sorted(entry["path"] for entry in found) == ["tree/a.ts", "tree/src/c.ts"], found
    found = await a(s.fs.expand_glob("tree/**/*.ts"))
    assert sorted(entry["name"] for entry in found) == ["a.ts", "c.ts"], found


@case
async def trees_go_up(s):
    with tempfile.TemporaryDirectory() as directory:
        os.makedirs(f"{directory}/deep")
        with open(f"{directory}/deep/file", "wb") as file:
            file.write(b"up")
        os.symlink("deep/file", f"{directory}/link")
        await a(s.fs.upload(directory, "uploaded"))
    assert await a(s.fs.read_text_file("uploaded/link")) == "up"
    # The client asks the server to write to the client's own disk, which no server can.
    await fails(lambda: s.fs.download("/tmp/x", "uploaded"), "UnknownRpcMethod")


def slowly(chunks):
    for chunk in chunks:
        yield chunk
        time.sleep(0.1)


@case
async def processes(s):
    child = await a(s.spawn("bash", args=["-c", "echo out; exit 3"], stdout="piped", stderr="piped"))
    output, status = await finished(child)
    assert output == "out\n" and status["code"] == 3 and not status["success"], (output, status)
    # Until it has sent all of its input, the client has no place for output.
    child = await a(s.spawn("cat", stdin_data=slowly([b"in ", b"put"]), stdout="piped", stderr="piped"))
    output, status = await finished(child)
    assert output == "in put" and status["success"], (output, status)
    await fails(lambda: s.spawn("no-such-program", stdout="piped", stderr="piped"), "NotFound")


@case
async def a_process_is_killed(s):
    child = await a(s.spawn("sleep", args=["600"], stdout="piped", stderr="piped"))
    if hasattr(child, "kill"):
        await a(child.kill())
    else:
        child.__exit__(None, None, None)
    check = await a(s.spawn("pgrep", args=["-x", "sleep"], stdout="piped", stderr="piped"))
    assert (await finished(check))[0] == ""


@case
async def variables(s):
    await a(s.env.set("KEY", "value"))
    assert await a(s.env.get("KEY")) == "value"
    await a(s.env.delete("KEY"))
    assert await a(s.env.get("KEY")) is None
    # The client turns the names into snake case: HOME comes as h_o_m_e.
    assert "/home/sandbox" in (await a(s.env.as_dict())).values()


@case
async def deno(s):
    assert await a(s.deno.eval("const a: number = 1; a + 2")) == 3
    repl = await a(s.deno.repl())
    await a(repl.eval("const x = 42; function add(a, b) { return a + b; }"))
    assert await a(repl.eval("x")) == 42
    assert await a(repl.call("add", [1, 2])) == 3
    await fails(lambda: repl.eval("throw new TypeError('no')"), "TypeError", "no")
    await a(repl.close())
    child = await a(s.deno.run(code="console.log(Deno.args[0])", script_args=["arg"], stdout="piped", stderr="piped"))
    output, status = await finished(child)
    assert output == "arg\n" and status["success"], (output, status)


@case
async def a_deno_server_is_fetched_from(s):
    code = "Deno.serve({ port: 5080, onListen() {} }, () => new Response('hi', { status: 201 }))"
    child = await a(s.deno.run(code=code, stdout="piped", stderr="piped"))
    assert await a(child.wait_http_ready()) is True
    assert (await a(child.fetch("http://any/"))).status_code == 201
    answer = await a(s.fetch("http://localhost:5080/", headers={"x-a": "b"}))
    assert answer.status_code == 201 and answer.is_success
    await fails(lambda: s.fetch("http://localhost:1/"), "TypeError", "Connection refused")


@case
async def a_server_is_exposed(s):
    code = "Deno.serve({ port: 5081, onListen() {} }, (request) => new Response(new URL(request.url).pathname))"
    child = await a(s.deno.run(code=code, stdout="null", stderr="null"))
    assert await a(child.wait_http_ready()) is True
    for target in [{"port": 5081}, {"pid": child.pid}]:
        url = await a(s.expose_http(**target))
        assert await asyncio.to_thread(read, f"{url}/path") == b"/path"


def read(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


@case
async def the_lifetime_is_extended(s):
    assert (await a(s.extend_timeout(120))).timestamp() > 0


@case
async def a_way_in_by_ssh_is_given(s):
    way = await a(s.expose_ssh())
    options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    to = ["-p", str(way["port"]), f"{way['username']}@{way['hostname']}"]
    run = await asyncio.create_subprocess_exec("ssh", *options, *to, "uname", stdout=asyncio.subprocess.PIPE)
    out, _ = await run.communicate()
    assert (run.returncode, out) == (0, b"Linux\n"), (run.returncode, out)


@case
async def what_is_not_there_yet_says_so(s):
    await fails(lambda: AsyncDenoDeploy().volumes.list(), "501")


async def whole_life_async():
    client = AsyncDenoDeploy()
    async with client.sandbox.create(timeout="5m", labels={"made": "python"}, env={"stage": "test"}, memory_mb=1024) as s:
        child = await s.spawn("bash", args=["-c", "echo $stage"], stdout="piped", stderr="piped")
        assert await child.stdout.read() == b"test\n"
        identifier = s.id
    async with client.sandbox.connect(identifier) as again:
        assert again.id == identifier
        items = (await client.sandbox.list(labels={"made": "python"})).items
        assert identifier in [item["id"] for item in items], items
        await again.kill()
    await fails(lambda: client.sandbox.connect(identifier).__aenter__())


async def whole_life_sync():
    client = DenoDeploy()
    with client.sandbox.create(timeout="5m", port=8080, ssh=True) as s:
        identifier = s.id
        assert s.expose_ssh()["username"] != identifier
    with client.sandbox.connect(identifier) as again:
        assert again.id == identifier
        again.kill()


async def report(name, running):
    try:
        await asyncio.wait_for(running, 90)
        print(json.dumps({"name": name, "error": None}), flush=True)
    except BaseException:
        print(json.dumps({"name": name, "error": traceback.format_exc()}), flush=True)


async def main():
    if "--list" in sys.argv:
        kinds = [f"{name}, {kind}" for kind in ["async", "sync"] for name in CASES]
        print(json.dumps([*kinds, "a whole life, async", "a whole life, sync"]))
        return
    async with AsyncDenoDeploy().sandbox.create() as s:
        for name, function in CASES.items():
            await report(f"{name}, async", function(s))
    with DenoDeploy().sandbox.create() as s:
        for name, function in CASES.items():
            await report(f"{name}, sync", function(s))
    await report("a whole life, async", whole_life_async())
    await report("a whole life, sync", whole_life_sync())


asyncio.run(main())
