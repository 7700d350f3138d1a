import { bin, main, run } from "./run.ts";

await main(async () => {
  await run("the formatter", [bin("oxfmt")]);
  await run("the lint", [bin("oxlint"), "--type-aware", "--fix"]);
});
