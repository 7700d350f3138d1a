export { ProgressDisplay, type DisplayOptions, type DisplayStream } from "./display.ts";
export { SetUpError } from "./failure.ts";
export { defaultHome } from "./home.ts";
export { setUp, type SetUpOptions, type SetUpResult } from "./set-up.ts";
