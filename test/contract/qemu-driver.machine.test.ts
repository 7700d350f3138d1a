import { after } from "node:test";

import { emulation, QemuDriver } from "@skerry/host";
import { pino } from "pino";

import { holdingsOf } from "../support/holdings.ts";
import { makeTestHome, prepared } from "../support/machine-home.ts";
import { driverSuite } from "./driver-suite.ts";

const home = makeTestHome();
after(() => home[Symbol.dispose]());

driverSuite("QEMU", async () => {
  const { image, launcher } = prepared();
  const driver = await QemuDriver.open({
    home: home.path,
    image,
    launcher,
    qemuVersion: "contract",
    acceleration: emulation("the contract suite runs everywhere"),
    log: pino({ level: "silent" }),
  });
  return {
    driver,
    holdings: () => holdingsOf(home.path),
    abortAfterMs: [1, 5, 10, 20, 30, 40, 60, 90, 150, 400],
  };
});
