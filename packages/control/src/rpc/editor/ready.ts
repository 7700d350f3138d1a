import { EditorReady, type Guest } from "@skerry/protocol";

/** Bytes of the one line. */
const lineBytesMax = 256;

/** Reads the port that an editor says on its descriptor 3; null when it ends before, or says anything else. */
export async function readPort(
  guest: Pick<Guest, "dial">,
  pid: number,
  signal: AbortSignal,
): Promise<number | null> {
  const connection = await guest.dial({ process: pid }, signal);
  try {
    let text = "";
    for await (const piece of connection.output) {
      text += Buffer.from(piece).toString("latin1");
      if (text.includes("\n") || text.length > lineBytesMax) break;
    }
    const said = EditorReady.safeParse(parsed(text.slice(0, lineBytesMax)));
    return said.success ? said.data.port : null;
  } finally {
    connection.close();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // what it says is not what ours would say
  }
}
