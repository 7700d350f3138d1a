/**
 * The files of `names` and of everything they need, in an order in which each can be loaded after those before
 * it. `dependencies` is the text of the kernel's `modules.dep`; a name is that of the file without `.ko` and
 * compression. A name that is in `builtin` (the text of `modules.builtin`) needs no file.
 * @returns paths as `modules.dep` has them
 * @throws RangeError when a name is neither
 */
export function moduleOrder(
  names: readonly string[],
  { dependencies, builtin }: { readonly dependencies: string; readonly builtin: string },
): readonly string[] {
  const needs = parseDependencies(dependencies);
  const fileOf = new Map([...needs.keys()].map((path) => [moduleName(path), path]));
  const inKernel = new Set(builtin.split("\n").filter(Boolean).map(moduleName));
  const order = new Set<string>();
  for (const name of names.map(plain)) {
    const path = fileOf.get(name);
    if (path === undefined && !inKernel.has(name)) {
      throw new RangeError(`the kernel has no module ${name}`);
    }
    if (path === undefined) continue;
    // modules.dep lists what must be loaded from the last to the first.
    for (const needed of (needs.get(path) ?? []).toReversed()) order.add(needed);
    order.add(path);
  }
  return [...order];
}

/** The name of the module in a file: `kernel/fs/erofs/erofs.ko.xz` is `erofs`. */
export function moduleName(path: string): string {
  return plain((path.split("/").at(-1) ?? "").replace(/\.ko(\.\w+)?$/, ""));
}

/** Module names are compared as the kernel does: `-` is `_`. */
function plain(name: string): string {
  return name.replaceAll("-", "_");
}

function parseDependencies(text: string): Map<string, readonly string[]> {
  const lines = text.split("\n").filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [path = "", rest = ""] = line.split(":");
      return [path, rest.split(" ").filter(Boolean)];
    }),
  );
}
