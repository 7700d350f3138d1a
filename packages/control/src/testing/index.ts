export { startControl, type Fixture } from "./control-fixture.ts";
export { FakeClock } from "./fake-clock.ts";
export { FakeHost, type FakeMachine } from "./fake-host.ts";
export { Refused, RpcClient, type RpcMessage } from "./rpc-client.ts";
