import { readdir } from "node:fs/promises";

import { limits } from "@skerry/protocol";
import type { Logger } from "pino";

import type { Network } from "../../network/network.ts";
import { type findCgroups, removeCgroup } from "./cgroups.ts";
import { Console } from "./console.ts";
import { MachineFiles, type MachineRecord } from "./machine-files.ts";
import { machineName } from "./names.ts";
import { endProcess, findMachineProcesses } from "./processes.ts";
import { QemuMachine } from "./qemu-machine.ts";
import { Qmp } from "./qmp.ts";
import type { UidPool } from "./uid-pool.ts";

interface Surroundings {
  readonly machinesDirectory: string;
  readonly uids: UidPool;
  readonly cgroups: Awaited<ReturnType<typeof findCgroups>>;
  readonly network: Network;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Finds what an earlier process left in this home. A machine that runs, answers and has a label is
 * taken back; of everything else the process, the control groups and the files are removed.
 */
export async function adoptMachines(surroundings: Surroundings): Promise<QemuMachine[]> {
  const { machinesDirectory, log } = surroundings;
  const processes = await findMachineProcesses();
  const adopted: QemuMachine[] = [];
  for (const id of await readdir(machinesDirectory)) {
    const files = new MachineFiles(machinesDirectory, id);
    const record = await files.readRecord();
    const pids = processes.filter(({ machineId }) => machineId === id).map(({ pid }) => pid);
    const held = holdings(surroundings, files, pids, record);
    const machine =
      record?.label !== undefined && pids.includes(record.pid)
        ? await adoptOne(surroundings, files, record, held)
        : undefined;
    if (machine === undefined) await held.disposeAsync();
    else adopted.push(machine);
    log.info({ machineId: id, adopted: machine !== undefined }, "machine of an earlier process");
  }
  return adopted;
}

function holdings(
  { uids, cgroups }: Surroundings,
  files: MachineFiles,
  pids: readonly number[],
  record: MachineRecord | undefined,
): AsyncDisposableStack {
  const held = new AsyncDisposableStack();
  held.defer(() => files.remove());
  for (const home of cgroups.homes) {
    held.defer(() => removeCgroup(`${home}/${machineName(files.id)}`));
  }
  if (record !== undefined) held.use(uids.claim(record.uid));
  for (const pid of pids) held.defer(() => endProcess(pid, limits.disposeMs));
  return held;
}

async function adoptOne(
  { signal, log, network }: Surroundings,
  files: MachineFiles,
  record: MachineRecord,
  held: AsyncDisposableStack,
): Promise<QemuMachine | undefined> {
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.guestCallMs)]);
    const monitor = await Qmp.open(files.monitorSocket, deadline);
    held.defer(() => monitor.close());
    const output = new Console(files.consoleSocket);
    const link = held.use(network.claim(record.network));
    return new QemuMachine({
      ...{ files, monitor, held, link, pid: record.pid, uid: record.uid, label: record.label },
      spec: { memoryMiB: record.memoryMiB, vcpuCount: record.vcpuCount },
      // The process is nobody's child now; its monitor closes when it ends.
      ended: monitor.closed.then(() => output.describeEnd("the monitor closed")),
      phasesMs: {},
    });
  } catch (error) {
    log.warn({ machineId: files.id, err: error }, "a machine that runs could not be taken back");
    return undefined;
  }
}
