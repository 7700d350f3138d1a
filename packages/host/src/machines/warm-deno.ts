import {
  denoEnvironment,
  encodeRun,
  GuestError,
  replCall,
  replCommand,
  replPrelude,
  ReplReader,
  replStandby,
  type Guest,
  type GuestSocket,
  type ReplAnswer,
} from "@skerry/protocol";

/**
 * What a REPL does once before it is captured, so that what it takes for the first time is taken.
 * Nothing here may draw a random number: all machines of the template would draw the same ones.
 */
const round = [
  "const first: number = 20; await Promise.resolve(first * 2 + 2)",
  replCall("answer", "json"),
  replCall("restore"),
  "throw new Error('as expected')",
  replCall("failure"),
  "({ a: [1, 'two'], b: new Map([[1, new Date(0)]]) })",
  replCall("answer", "devalue"),
  "globalThis.first = undefined",
] as const;

/**
 * Leaves a Deno REPL in a machine that is about to be captured: the first one that a sandbox asks for
 * is there already. An image without Deno has none.
 */
export async function leaveRepl(guest: Guest): Promise<void> {
  const { command, args } = replCommand;
  const stdio = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
  try {
    const child = await guest.spawn({
      ...{ command, args, env: denoEnvironment, ...stdio },
      ...{ standby: replStandby.name, channel: true },
    });
    const socket = await guest.dial({ process: child.pid });
    const ask = questionsOf(socket);
    const ready = await ask(replPrelude(replStandby.socket));
    if (ready.type !== "RunSuccess") throw new Error(`the REPL was not ready: ${ready.type}`);
    for (const code of round) await ask(code);
    // Neither is closed: they end with this host, and the REPL waits for the next.
  } catch (error) {
    if (!(error instanceof GuestError && error.errno === "ENOENT")) throw error;
  }
}

function questionsOf(socket: GuestSocket): (code: string) => Promise<ReplAnswer> {
  const answers = read(socket);
  return async (code) => {
    await socket.input.write(encodeRun(code, true));
    const answer = await answers.next();
    if (answer.done === true) throw new Error("the REPL has ended");
    return answer.value;
  };
}

async function* read(socket: GuestSocket): AsyncGenerator<ReplAnswer, void, void> {
  const reader = new ReplReader();
  for await (const chunk of socket.output) yield* reader.push(chunk);
}
