import { limits } from "@skerry/protocol";
import type { Channel, Connection, ServerChannel } from "ssh2";

/** A client's connection; its types do not know all that it has. */
export type SshConnection = Connection & { setNoDelay(isOn: boolean): unknown };

/** Asks the client to open a channel. */
export type OpenChannel = (
  callback: (error: Error | undefined, channel: ServerChannel) => void,
) => void;

/** Takes a place for a channel, if there is one; disposing of it gives the place back. */
export type TakeChannel = () => Disposable | null;

/** A channel that the client has opened at our request. @throws {Error} when it would not, in time. */
export async function openChannel(open: OpenChannel): Promise<Channel> {
  const { promise, resolve, reject } = Promise.withResolvers<Channel>();
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    reject(new Error("the client does not answer"));
  }, limits.sshChannelOpenMs);
  promise.catch(() => {}); // it may come to nothing while `open` throws
  try {
    open((error, channel) => {
      if (error !== undefined) reject(error);
      else if (isLate) channel.close();
      else resolve(channel);
    });
    return await promise;
  } finally {
    clearTimeout(deadline);
  }
}
