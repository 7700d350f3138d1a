export { Channel, type Carrier } from "./channel.ts";
export { GuestClient } from "./guest-client.ts";
export { GuestLink } from "./guest-link.ts";
