import { z } from "zod";

/** What a terminal's viewer says as text; what is typed comes as bytes. */
export const TerminalInput = z.object({
  resize: z.object({ rows: z.int().min(1).max(65_535), cols: z.int().min(1).max(65_535) }),
});

/** What it is told as text; what is shown comes as bytes. */
export const TerminalOutput = z.union([
  /** By which it comes back: the query `session`. */
  z.object({ session: z.string() }),
  z.object({ exit: z.object({ code: z.number(), signal: z.string().nullable() }) }),
]);
export type TerminalOutput = z.infer<typeof TerminalOutput>;

/** The WebSocket subprotocols of a terminal: browsers, which send no headers, bring their token as one. */
export const terminalProtocols = { name: "skerry.terminal.v1", token: "skerry.token." } as const;
