import type { TokenScope } from "../store/store.ts";

/** Who asks for something, and how far that one's token goes. */
export interface Principal {
  readonly tokenId: string;
  readonly scope: TokenScope;
}
