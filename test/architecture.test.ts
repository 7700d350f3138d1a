import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, normalize } from "node:path";
import { suite, test } from "node:test";

/** Who may import whom: the table of ARCHITECTURE.md. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  certificates: [],
  sdk: ["protocol"],
  cli: ["sdk"],
  control: ["certificates", "protocol"],
  egress: ["certificates", "protocol"],
  gateway: ["protocol", "sdk", "service"],
  host: ["protocol"],
  server: ["control", "egress", "gateway", "host", "protocol", "service"],
  service: [],
};

/** Modules with one home: only files below these paths may import them. */
const fences: readonly (readonly [module: string, homes: readonly string[]])[] = [
  ["node:sqlite", ["packages/control/src/store/"]],
  [
    "node:child_process",
    [
      ...["packages/host/src/vmm/qemu/", "packages/host/src/network/"],
      ...["packages/host/src/images/", "packages/cli/src/doctor/"],
      ...["packages/server/src/dns-records.ts", "packages/cli/src/ssh-client.ts"],
    ],
  ],
  ["zod", ["packages/protocol/src/", "packages/server/src/config.ts"]],
  ["ws", ["packages/control/src/", "packages/sdk/src/"]],
  [
    "pino",
    [
      ...["packages/control/src/", "packages/gateway/src/", "packages/host/src/"],
      ...["packages/server/src/", "packages/service/src/"],
    ],
  ],
];

/** The words of the driver's implementation that its interface must not know. */
const driverInterface = "packages/host/src/vmm/driver.ts";

const scope = "@skerry/";
const files = globSync("packages/*/src/**/*.ts").toSorted();

suite("architecture", () => {
  test("the table names every package", () => {
    const packages = globSync("packages/*").map((path) => path.slice("packages/".length));
    assert.deepEqual(Object.keys(allowed).toSorted(), packages.toSorted());
  });

  for (const [name, expected] of Object.entries(allowed)) {
    test(`${name} depends on ${expected.join(", ") || "no other package"}`, () => {
      const { dependencies = {} } = readManifest(name);
      const ours = Object.keys(dependencies).filter((dependency) => dependency.startsWith(scope));
      assert.deepEqual(
        ours.map((dependency) => dependency.slice(scope.length)),
        expected,
      );
    });
  }

  test("every import is declared, stays in its package, and respects the fences", () => {
    const problems = files.flatMap((file) =>
      importsOf(file).flatMap((to) => problemWith(file, to)),
    );
    assert.deepEqual(problems, []);
  });

  test("the driver interface has no QEMU word in it", () => {
    assert.doesNotMatch(readFileSync(driverInterface, "utf8"), /qemu|qmp|kvm|tcg|qcow/i);
  });

  test("protocol reads no clock and touches nothing outside", () => {
    const sources = files.filter(
      (file) => file.startsWith("packages/protocol/") && !file.endsWith(".test.ts"),
    );
    const reaching = sources.filter((file) =>
      /from "node:|Date\.now|performance\.|setTimeout|process\.(env|pid|std)/.test(
        readFileSync(file, "utf8"),
      ),
    );
    assert.deepEqual(reaching, []);
  });
});

function problemWith(file: string, to: string): string[] {
  const home = file.split("/").slice(0, 2).join("/");
  if (to === "../package.json") return []; // its own manifest
  if (to.startsWith(".")) {
    const stays = normalize(join(file, "..", to)).startsWith(`${home}/src/`);
    return stays ? [] : [`${file} reaches out of its package: ${to}`];
  }
  const isTest = file.endsWith(".test.ts") || file.includes("/testing/");
  const fence = isTest ? undefined : fences.find(([module]) => module === to);
  if (fence !== undefined && !fence[1].some((place) => file.startsWith(place))) {
    return [`${file} may not import ${to}`];
  }
  if (to.startsWith("node:") || builtinModules.includes(to)) return [];

  const { dependencies = {}, devDependencies = {} } = readManifest(home.slice("packages/".length));
  const known = { ...dependencies, ...(isTest && devDependencies) };
  const name = to
    .split("/")
    .slice(0, to.startsWith("@") ? 2 : 1)
    .join("/");
  return name in known ? [] : [`${file} imports ${name}, which its package.json does not declare`];
}

function importsOf(file: string): string[] {
  const source = readFileSync(file, "utf8");
  return [
    ...source.matchAll(
      /^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"|\bimport\s*\(\s*"([^"]+)"|^import\s+"([^"]+)"/gm,
    ),
  ].flatMap((match) => match[1] ?? match[2] ?? match[3] ?? []);
}

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
}

function readManifest(name: string): Manifest {
  return JSON.parse(readFileSync(`packages/${name}/package.json`, "utf8")) as Manifest;
}
