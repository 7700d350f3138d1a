// Builds the image as root for a user who is not, and gives it to that user:
//
//   sudo node tools/setup/build-image.ts HOME GUEST_BINARY
//
// Prints progress, one JSON object a line.

import { join } from "node:path";

import { ensureAuthority } from "../../packages/egress/src/tls/authority-files.ts";
import { ensureImage, runTool } from "../../packages/host/src/images/index.ts";
import { egressUserId } from "../../packages/protocol/src/index.ts";

const [home, guestBinary] = process.argv.slice(2);
if (home === undefined || guestBinary === undefined) {
  throw new Error("usage: build-image.ts HOME GUEST_BINARY");
}
const stopped = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => stopped.abort(new Error(`stopped by ${name}`)));
}
const { signal } = stopped;
try {
  const progress = (event: object): void => console.log(JSON.stringify(event));
  const roots = [await ensureAuthority(join(home, "egress"), egressUserId)];
  await ensureImage({ name: "builtin:debian-13", home, guestBinary, roots, progress, signal });
} finally {
  const { SUDO_UID: uid, SUDO_GID: gid } = process.env;
  if (uid !== undefined && gid !== undefined) {
    const args = ["--recursive", `${uid}:${gid}`, join(home, "images")];
    const { signal: never } = new AbortController();
    await runTool("chown", args, { doing: "give the image to its user", signal: never });
  }
}
