import assert from "node:assert/strict";
import { test } from "node:test";

import { moduleName, moduleOrder } from "./module-order.ts";

const dependencies = `kernel/fs/erofs/erofs.ko.xz: kernel/lib/libcrc32c.ko.xz
kernel/lib/libcrc32c.ko.xz:
kernel/fs/overlayfs/overlay.ko.xz:
kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko.xz kernel/net/core/failover.ko.xz
kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko.xz
kernel/net/core/failover.ko.xz:
`;
const builtin = "kernel/fs/ext4/ext4.ko\nkernel/drivers/char/virtio_console.ko\n";
const kernel = { dependencies, builtin };

test("moduleOrder() puts what a module needs before it", () => {
  assert.deepEqual(moduleOrder(["virtio_net"], kernel), [
    "kernel/net/core/failover.ko.xz",
    "kernel/drivers/net/net_failover.ko.xz",
    "kernel/drivers/net/virtio_net.ko.xz",
  ]);
});

test("moduleOrder() names each file once, in the order asked for", () => {
  assert.deepEqual(moduleOrder(["overlay", "erofs", "libcrc32c", "overlay"], kernel), [
    "kernel/fs/overlayfs/overlay.ko.xz",
    "kernel/lib/libcrc32c.ko.xz",
    "kernel/fs/erofs/erofs.ko.xz",
  ]);
});

test("moduleOrder() needs no file for what is in the kernel", () => {
  assert.deepEqual(moduleOrder(["ext4", "virtio-console"], kernel), []);
});

test("moduleOrder() refuses a module that the kernel does not have", () => {
  assert.throws(() => moduleOrder(["zfs"], kernel), new RangeError("the kernel has no module zfs"));
});

test("moduleName() drops directory, suffix and compression, and reads - as _", () => {
  for (const path of ["a/crc32c-intel.ko.xz", "crc32c-intel.ko", "a/b/crc32c_intel.ko.zst"]) {
    assert.equal(moduleName(path), "crc32c_intel");
  }
});
