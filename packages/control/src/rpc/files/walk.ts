import { posix } from "node:path";

import type { Guest, SandboxParams, WalkEntry } from "@skerry/protocol";

import { openMatcher, type Matcher } from "./matcher.ts";
import { Tree, walkEntry, type Found } from "./tree.ts";

export type WalkParams = SandboxParams<"walk">;

/**
 * Everything below a path, as `walk` of `@std/fs` finds it: a directory before what is in it. What
 * `skip` matches is neither told nor entered.
 *
 * @throws {GuestError} `ENOENT` when nothing is there. @throws {CallFailure} for bad patterns.
 */
export async function walk(
  guest: Guest,
  params: WalkParams,
  signal: AbortSignal,
): Promise<AsyncIterable<readonly WalkEntry[]>> {
  const stack = new DisposableStack();
  try {
    const filter = await openFilter(params, signal, stack);
    const followSymlinks = params.followSymlinks === true;
    const canonicalize = params.canonicalize !== false;
    const tree = new Tree<undefined>(guest, { followSymlinks, canonicalize }, signal);
    const root = await tree.root(posix.normalize(params.path), undefined);
    return search(params, tree, root, filter, stack.move());
  } catch (error) {
    stack.dispose();
    throw error;
  }
}

type Root = Awaited<ReturnType<Tree<undefined>["root"]>>;

async function* search(
  params: WalkParams,
  tree: Tree<undefined>,
  root: Root,
  filter: Filter,
  stack: DisposableStack,
): AsyncGenerator<readonly WalkEntry[]> {
  using _stack = stack;
  const maxDepth = params.maxDepth ?? Number.POSITIVE_INFINITY;
  const wanted = {
    files: params.includeFiles !== false,
    directories: params.includeDirs !== false,
    symlinks: params.includeSymlinks !== false,
  };
  const [first] = await filter([root.found]);
  if (wanted.directories && first?.isIncluded === true) yield [walkEntry(root.found)];
  if (maxDepth < 1 || first?.isSkipped !== false) return;
  tree.enterLater(root.directory);
  for await (const [directory, children] of tree.directories()) {
    for await (const batch of children) {
      const verdicts = await filter(batch);
      const told: WalkEntry[] = [];
      for (const [at, child] of batch.entries()) {
        const verdict = verdicts[at];
        if (verdict === undefined) continue;
        const isWanted =
          child.kind === "directory"
            ? wanted.directories
            : child.kind === "symlink"
              ? wanted.symlinks
              : wanted.files;
        if (isWanted && verdict.isIncluded) told.push(walkEntry(child));
        const isDeepEnough = directory.depth + 1 >= maxDepth;
        if (child.asDirectory !== null && !verdict.isSkipped && !isDeepEnough) {
          tree.enterLater(child.asDirectory(undefined));
        }
      }
      if (told.length > 0) yield told;
    }
  }
}

interface Verdict {
  /** The client wants to hear of it. */
  readonly isIncluded: boolean;
  /** Neither it nor what is below. */
  readonly isSkipped: boolean;
}

type Filter = (found: readonly Found[]) => Promise<readonly Verdict[]>;

async function openFilter(
  { exts, match = [], skip = [] }: WalkParams,
  signal: AbortSignal,
  stack: DisposableStack,
): Promise<Filter> {
  const endings = exts?.map((ending) => (ending.startsWith(".") ? ending : `.${ending}`));
  const hasEnding = (path: string): boolean =>
    endings === undefined || endings.some((ending) => path.endsWith(ending));
  const patterns = [...match, ...skip];
  const matcher: Matcher | undefined =
    patterns.length === 0 ? undefined : stack.use(await openMatcher(patterns, signal));
  return async (found) => {
    const paths = found.map(({ path }) => path);
    const marks = (await matcher?.match(paths)) ?? [];
    return paths.map((path, at) => {
      const matched = marks[at]?.slice(0, match.length) ?? [];
      const skipped = marks[at]?.slice(match.length) ?? [];
      const isSkipped = skipped.includes(true);
      const isMatched = match.length === 0 || matched.includes(true);
      return { isIncluded: hasEnding(path) && isMatched && !isSkipped, isSkipped };
    });
  };
}
