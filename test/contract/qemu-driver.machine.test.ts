import { after, before } from "node:test";

import { emulation, QemuDriver, type Network } from "@skerry/host";
import { pino } from "pino";

import { holdingsOf } from "../support/holdings.ts";
import { makeTestHome, openNetwork, prepared } from "../support/machine-home.ts";
import { driverSuite } from "./driver-suite.ts";

const home = makeTestHome();
const log = pino({ level: "silent" });
let network: Network;
before(async () => {
  network = await openNetwork(home.path);
});
after(async () => {
  await network.close(false);
  home[Symbol.dispose]();
});

driverSuite("QEMU", async () => {
  const { image, launcher } = prepared();
  const driver = await QemuDriver.open({
    home: home.path,
    image,
    launcher,
    network,
    qemuVersion: "contract",
    acceleration: emulation("the contract suite runs everywhere"),
    log,
  });
  return {
    driver,
    holdings: () => holdingsOf(home.path),
    abortAfterMs: [1, 5, 10, 20, 30, 40, 60, 90, 150, 400],
  };
});
