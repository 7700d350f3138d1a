/** The program that the host runs. */
export const egressProgram: string = new URL("main.ts", import.meta.url).pathname;
