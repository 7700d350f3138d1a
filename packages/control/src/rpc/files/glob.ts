import { posix } from "node:path";

import { GuestError, type Guest, type SandboxParams, type WalkEntry } from "@skerry/protocol";
import picomatch from "picomatch";

import { throwing } from "../failures.ts";
import { openMatcher, type Matcher, type Pattern } from "./matcher.ts";
import { Tree, walkEntry, type Child, type Found } from "./tree.ts";

export type GlobParams = SandboxParams<"expandGlob">;

/** One part of a glob, between slashes: any number of directories, or a pattern for one name. */
type Segment = "globstar" | Pattern;

/**
 * What a glob matches, as `expandGlob` of `@std/fs` finds it. The tree is searched once, and each
 * directory remembers which parts of the glob are still to match, so nothing is found twice and
 * nothing has to be kept.
 *
 * @throws {CallFailure} for a glob that is none.
 */
export async function expandGlob(
  guest: Guest,
  params: GlobParams,
  signal: AbortSignal,
): Promise<AsyncIterable<readonly WalkEntry[]>> {
  const home = await guest.call("fs.realPath", { path: "." }, signal);
  const base = posix.resolve(home, params.root ?? ".");
  const { fixed, segments, wantsDirectories } = parseGlob(base, params);
  const excluded = (params.exclude ?? []).map((glob) => compile(posix.resolve(base, glob), params));
  const links = {
    followSymlinks: params.followSymlinks === true,
    canonicalize: params.canonicalize !== false,
  };
  const tree = new Tree<readonly number[]>(guest, links, signal);
  let root: Awaited<ReturnType<typeof tree.root>>;
  try {
    root = await tree.root(fixed, closure(segments, [0]));
  } catch (error) {
    if (error instanceof GuestError && /^(ENOENT|ENOTDIR)$/.test(error.errno ?? ""))
      return nothing();
    throw error;
  }
  const patterns = [...segments.filter((segment) => segment !== "globstar"), ...excluded];
  const stack = new DisposableStack();
  const matcher =
    patterns.length === 0 ? undefined : stack.use(await openMatcher(patterns, signal));
  const isWanted = ({ kind }: Found): boolean =>
    kind === "directory" ? params.includeDirs !== false : !wantsDirectories;
  const rules = { segments, excluded: excluded.length, matcher, isWanted };
  return search(tree, root, rules, stack);
}

interface Rules {
  readonly segments: readonly Segment[];
  readonly excluded: number;
  readonly matcher: Matcher | undefined;
  readonly isWanted: (found: Found) => boolean;
}

type GlobTree = Tree<readonly number[]>;

async function* search(
  tree: GlobTree,
  root: Awaited<ReturnType<GlobTree["root"]>>,
  rules: Rules,
  stack: DisposableStack,
): AsyncGenerator<readonly WalkEntry[]> {
  using _stack = stack;
  const { segments, isWanted } = rules;
  const end = segments.length;
  const [isRootExcluded = false] = await areExcluded(rules, [root.found.path]);
  if (isRootExcluded) return;
  if (root.directory.note.includes(end) && isWanted(root.found)) yield [walkEntry(root.found)];
  if (root.found.kind === "directory" && goesOn(root.directory.note, end)) {
    tree.enterLater(root.directory);
  }
  for await (const [directory, children] of tree.directories()) {
    for await (const batch of children) {
      const told: WalkEntry[] = [];
      for (const [child, states] of await advance(rules, directory.note, batch)) {
        if (states.includes(end) && isWanted(child)) told.push(walkEntry(child));
        if (child.asDirectory !== null && goesOn(states, end)) {
          tree.enterLater(child.asDirectory(states));
        }
      }
      if (told.length > 0) yield told;
    }
  }
}

/** The children that some part of the glob leads on to, and which parts are to match after them. */
async function advance(
  rules: Rules,
  states: readonly number[],
  batch: readonly Child<readonly number[]>[],
): Promise<(readonly [Child<readonly number[]>, readonly number[]])[]> {
  const { segments, matcher } = rules;
  const marks = (await matcher?.match(batch.map(({ name }) => name))) ?? [];
  const excluded = await areExcluded(
    rules,
    batch.map(({ path }) => path),
  );
  const patternOf = patternNumbers(segments);
  const reached: (readonly [Child<readonly number[]>, readonly number[]])[] = [];
  for (const [at, child] of batch.entries()) {
    if (excluded[at] === true) continue;
    const next = states.flatMap((state) => {
      const segment = segments[state];
      if (segment === undefined) return [];
      if (segment === "globstar") return [state];
      return marks[at]?.[patternOf[state] ?? -1] === true ? [state + 1] : [];
    });
    if (next.length > 0) reached.push([child, closure(segments, next)]);
  }
  return reached;
}

async function areExcluded(
  { segments, excluded, matcher }: Rules,
  paths: readonly string[],
): Promise<readonly boolean[]> {
  if (excluded === 0 || matcher === undefined) return [];
  const first = segments.filter((segment) => segment !== "globstar").length;
  const marks = await matcher.match(paths);
  return marks.map((mark) => mark.slice(first).includes(true));
}

/** The place of each segment's pattern among the patterns of the matcher. */
function patternNumbers(segments: readonly Segment[]): readonly number[] {
  let next = 0;
  return segments.map((segment) => (segment === "globstar" ? -1 : next++));
}

/** `states`, and those that are reached without a name because any number of directories may be none. */
function closure(segments: readonly Segment[], states: readonly number[]): readonly number[] {
  const all = new Set(states);
  for (const state of all) if (segments[state] === "globstar") all.add(state + 1);
  return [...all];
}

/** Whether anything below can match. */
function goesOn(states: readonly number[], end: number): boolean {
  return states.some((state) => state < end);
}

interface ParsedGlob {
  /** The directory that the glob names without any pattern. */
  readonly fixed: string;
  readonly segments: readonly Segment[];
  readonly wantsDirectories: boolean;
}

/** Splits a glob. What is before the first pattern is a path, taken as it is. */
export function parseGlob(
  base: string,
  params: Pick<GlobParams, "glob"> & GlobOptions,
): ParsedGlob {
  const { glob } = params;
  // As the directories that patterns stand for are not known, `..` takes back what was before it.
  const whole = posix.normalize(glob.startsWith("/") ? glob : `${base}/${glob}`);
  const parts = whole.split("/").filter((part) => part !== "");
  const firstPattern = parts.findIndex(isPattern);
  const fixedCount = firstPattern < 0 ? parts.length : firstPattern;
  const segments = parts
    .slice(fixedCount)
    .map((part): Segment =>
      part === "**" && params.globstar !== false ? "globstar" : compile(part, params),
    );
  return {
    fixed: `/${parts.slice(0, fixedCount).join("/")}`,
    segments,
    wantsDirectories: whole.endsWith("/") && whole !== "/",
  };
}

interface GlobOptions {
  readonly extended?: boolean | undefined;
  readonly globstar?: boolean | undefined;
  readonly caseInsensitive?: boolean | undefined;
}

function isPattern(part: string): boolean {
  return /[*?[\]{}()!+@|\\]/.test(part);
}

/** @throws {CallFailure} `SyntaxError` for a pattern that is none. */
function compile(glob: string, options: GlobOptions): Pattern {
  try {
    const { source, flags } = picomatch.makeRe(glob, {
      dot: true,
      nocase: options.caseInsensitive === true,
      noextglob: options.extended === false,
      noglobstar: options.globstar === false,
    });
    return { source, flags };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw throwing("SyntaxError", `'${glob}' is no glob: ${reason}`, null);
  }
}

async function* nothing(): AsyncGenerator<never> {}
