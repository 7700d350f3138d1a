export { openGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
