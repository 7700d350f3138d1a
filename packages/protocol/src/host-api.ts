import type { NetworkGrant, Refusal } from "./egress.ts";
import type {
  DialTarget,
  DirectoryEntry,
  Exit,
  GuestCall,
  GuestParams,
  GuestResult,
  ListenTarget,
  SpawnParams,
  WriteFileParams,
} from "./guest.ts";
import type { SandboxId } from "./ids.ts";
import type { SecretGrant } from "./secrets.ts";

/**
 * What control asks of a host. It says nothing of where the host is: today it is an object in the
 * same process, later one at the other end of a wire.
 */
export interface HostApi {
  /**
   * Starts a machine that is ready to run the user's commands: restored or booted, with its own
   * identity, clock, randomness and environment. When it fails or `signal` aborts, nothing of the
   * machine is left behind.
   *
   * @throws {SandboxError} `HOST_UNAVAILABLE`, `HOST_DISK_FULL`, `BOOT_TIMEOUT`, `MEMORY_OUT_OF_RANGE`.
   */
  create(request: MachineRequest, signal: AbortSignal): Promise<HostedMachine>;

  /**
   * Takes back the machines of an earlier process that still run, and clears away all that is left
   * of the others. Called once, before the first `create`.
   *
   * @param wanted The sandboxes that may live on, with their secrets, which a host keeps in memory
   * only; every other machine is ended.
   */
  adopt(
    wanted: ReadonlyMap<SandboxId, readonly SecretGrant[]>,
    signal: AbortSignal,
  ): Promise<readonly HostedMachine[]>;

  /**
   * Sees that the editor is on the disk that machines mount with `editor.mount`; the first call takes the time of
   * building it.
   *
   * @throws {SandboxError} `EDITOR_UNAVAILABLE`, `SHUTTING_DOWN`.
   */
  ensureEditor(signal: AbortSignal): Promise<void>;

  /** What the host is and has, for `doctor` and for the list of sandboxes. */
  status(): HostStatus;
}

export interface MachineRequest {
  readonly id: SandboxId;
  /** Guest memory in MiB, within the limits. */
  readonly memoryMiB: number;
  /** Set in the sandbox's environment before anything runs. */
  readonly env: Readonly<Record<string, string>>;
  readonly network: NetworkGrant;
}

export interface HostStatus {
  /** `"kvm"`, `"tcg"` or `"fake"`, and why it is not better. */
  readonly acceleration: { readonly kind: string; readonly reason: string };
  /** Machines that wait in the pool. */
  readonly poolReady: number;
  readonly machines: number;
}

/** Why a machine is gone, in words for a log; never shown to clients as it is. */
export interface MachineEnd {
  readonly kind: "disposed" | "crashed";
  readonly detail: string;
}

/** A machine that runs for one sandbox. Disposing of it ends it and gives back all that it held. */
export interface HostedMachine extends AsyncDisposable {
  readonly id: SandboxId;
  readonly guest: Guest;
  /** Settles once, when the machine is gone. Never rejects. */
  readonly gone: Promise<MachineEnd>;
  /** How the machine came to be, and the time in ms of each phase: for the benchmark and the log. */
  readonly origin: MachineOrigin;
  /** Is called with what the network refuses the machine. */
  onRefused: ((refusal: Refusal) => void) | null;
  /** What it may reach, and with which secrets. */
  readonly network: NetworkGrant;
  /** The same from now on; connections that it may not have any more are cut. @throws {SandboxError} */
  setNetwork(network: NetworkGrant): Promise<void>;
}

export interface MachineOrigin {
  readonly from: "pool" | "template" | "cold" | "adopted" | "fake";
  readonly phasesMs: Readonly<Record<string, number>>;
}

/**
 * The programs and files inside a machine. Every method rejects with `GuestError` when the guest
 * refuses, and with `SandboxError` `SANDBOX_GONE` when the machine ends first.
 */
export interface Guest {
  call<M extends GuestCall>(
    method: M,
    params: GuestParams[M],
    signal?: AbortSignal,
  ): Promise<GuestResult<M>>;
  /** Starts a process; resolves when it runs. */
  spawn(params: SpawnParams): Promise<GuestProcess>;
  /** Takes charge of the output of a process to which nobody is attached: its stdin is closed. */
  attach(pid: number): Promise<GuestProcess>;
  /** Opens a file and streams its content. Stopping the iteration stops the guest from sending. */
  readFile(path: string, signal?: AbortSignal): Promise<ByteStream>;
  /** Writes `content` to a file; resolves with the bytes written when all are in the file. */
  writeFile(
    params: WriteFileParams,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number>;
  /** Reads at most `length` bytes from where an open file stands; none means its end. */
  readHandle(handle: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Writes to an open file where it stands; resolves with the bytes written. */
  writeHandle(
    handle: number,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number>;
  /** Lists a directory, a batch of entries at a time. */
  readDirectory(path: string, signal?: AbortSignal): Promise<AsyncIterable<DirectoryEntry[]>>;
  /** Connects to a socket inside the machine. */
  dial(target: DialTarget, signal?: AbortSignal): Promise<GuestSocket>;
  /** Waits for connections of programs inside the machine. */
  listen(target: ListenTarget, signal?: AbortSignal): Promise<GuestListener>;
}

/**
 * Bytes from the guest. The consumer's pace is the guest's pace: what is not taken is not sent.
 * Can be iterated once; ending the iteration early tells the guest to stop.
 */
export type ByteStream = AsyncIterable<Uint8Array>;

/** Bytes to the guest. */
export interface ByteSink {
  /** Resolves when the guest has room for more; rejects when the channel is gone. */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
}

export interface GuestProcess {
  readonly pid: number;
  /** Null unless asked for with `"piped"`. */
  readonly stdin: ByteSink | null;
  readonly stdout: ByteStream | null;
  readonly stderr: ByteStream | null;
  /** How it ended. Rejects with `SANDBOX_GONE` when the machine ends first. */
  readonly exit: Promise<Exit>;
  /** Loses interest: the process goes on, its output is discarded and its stdin closed. */
  detach(): void;
}

/** A socket inside the machine that listens. It ends with the host's connection to the guest, too. */
export interface GuestListener {
  /** The one that was chosen; null for a Unix socket. */
  readonly port: number | null;
  /** The next connection. Has no deadline of its own; rejects when the listener is closed. */
  accept(signal?: AbortSignal): Promise<AcceptedSocket>;
  close(): void;
}

/** A connection that a program inside has made, and whence; both null for a Unix socket. */
export interface AcceptedSocket extends GuestSocket {
  readonly address: string | null;
  readonly port: number | null;
}

export interface GuestSocket {
  readonly output: ByteStream;
  readonly input: ByteSink;
  close(): void;
}
