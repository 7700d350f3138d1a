export {
  ensureImage,
  fillEditor,
  listImages,
  removeImage,
  type MachineImage,
} from "./images/index.ts";
export { Host, type HostOptions } from "./machines/host.ts";
export { openHost, type MachineParts, type OpenHostOptions } from "./open-host.ts";
export type { Driver, Machine, MachineSpec, Template } from "./vmm/driver.ts";
export { FakeDriver } from "./vmm/fake/fake-driver.ts";
export { emulation } from "./vmm/qemu/acceleration.ts";
export { QemuDriver, type QemuDriverOptions } from "./vmm/qemu/qemu-driver.ts";
export { Network } from "./network/network.ts";
