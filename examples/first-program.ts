import { Sandbox } from "@deno/sandbox"; // the official client, unmodified

await using sandbox = await Sandbox.create();

await sandbox.fs.writeTextFile("hello.py", "import platform; print('Hello from', platform.node())");
console.log((await sandbox.sh`python3 hello.py`.text()).trim());
console.log((await sandbox.sh`uname -sr && nproc && whoami`.text()).trim());
