import { globalOptions } from "../arguments.ts";
import { UsageError } from "../failure.ts";
import type { HandedVerb, Verb } from "../verb.ts";

const shells = ["bash", "zsh", "fish"] as const;

/** Prints a script that completes command lines; it is made of the table of the verbs. */
export function completionOf(verbs: () => readonly (Verb | HandedVerb)[]): Verb {
  return {
    name: "completion",
    usage: shells.join("|"),
    about: "print a script that completes verbs, options and sandbox ids in a shell",
    options: {},
    async run(args, { output }) {
      const [shell] = args.positionals;
      const words = wordsOf(verbs());
      if (shell === "bash") output.line(bashScript(words));
      else if (shell === "zsh")
        output.line(`autoload -U +X bashcompinit && bashcompinit\n${bashScript(words)}`);
      else if (shell === "fish") output.line(fishScript(words));
      else throw new UsageError(`the shell is one of ${shells.join(", ")}`);
      return 0;
    },
  };
}

interface VerbWords {
  readonly name: string;
  readonly about: string;
  readonly options: readonly string[];
}

function wordsOf(verbs: readonly (Verb | HandedVerb)[]): readonly VerbWords[] {
  return verbs.map((verb) => {
    const own = "options" in verb ? Object.keys(verb.options) : [];
    const options = [...own, ...Object.keys(globalOptions)].map((name) => `--${name}`);
    return { name: verb.name, about: verb.about, options };
  });
}

/** Sandbox ids are asked of the server, for no longer than somebody waits for a completion. */
const ids = "timeout 2 skerry list --json 2>/dev/null | grep -o 'sbx_[a-z]*_[0-9a-z]*'";

function bashScript(verbs: readonly VerbWords[]): string {
  const cases = verbs.map(({ name, options }) => `    ${name}) words="${options.join(" ")}" ;;`);
  return [
    "_skerry() {",
    '  local word="${COMP_WORDS[COMP_CWORD]}" words=""',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(" ")}" -- "$word"))`,
    "    return",
    "  fi",
    '  case "${COMP_WORDS[1]}" in',
    ...cases,
    "  esac",
    `  case "$word" in sbx_*) words="$words $(${ids})" ;; esac`,
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    "}",
    "complete -o default -F _skerry skerry",
  ].join("\n");
}

function fishScript(verbs: readonly VerbWords[]): string {
  const lines = verbs.flatMap(({ name, about, options }) => [
    `complete -c skerry -n __fish_use_subcommand -a ${name} -d '${about.replaceAll("'", "")}'`,
    ...options.map(
      (option) =>
        `complete -c skerry -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`,
    ),
  ]);
  return [
    ...lines,
    `complete -c skerry -n 'string match -q "sbx_*" (commandline -ct)' -a "(${ids})"`,
  ].join("\n");
}
