import { FakeDriver } from "@skerry/host";

import { driverSuite } from "./driver-suite.ts";

const driver = new FakeDriver();
driverSuite("fake", async () => ({
  driver,
  holdings: () => [...driver.held],
  abortAfterMs: [0],
}));
