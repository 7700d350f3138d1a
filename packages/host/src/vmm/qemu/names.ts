const prefix = "skerry-machine-";

/** The name by which a machine's process and control groups are known to be ours. */
export function machineName(id: string): string {
  return prefix + id;
}

export const machineNamePattern = /^skerry-machine-([0-9a-f]{16})$/;
