import { startEditor } from "../editor/start.ts";
import type { Handlers } from "./handler.ts";

/** The editor in the browser. */
export const editorHandlers: Handlers<"vscode"> = {
  async vscode(params, context) {
    const env = await context.prepareEditor(params.env ?? {}, context.signal);
    return await startEditor({ ...params, env }, context);
  },
};
