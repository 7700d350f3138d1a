import { startEditor } from "../editor/start.ts";
import type { Handlers } from "./handler.ts";

/** The editor in the browser. */
export const editorHandlers: Handlers<"vscode"> = {
  async vscode(params, context) {
    const grant = await context.prepareEditor(params.env ?? {}, context.signal);
    try {
      const answer = await startEditor({ ...params, env: grant.env }, context);
      const ended = context.guest.call("wait", { pid: answer.pid });
      ended.then(
        () => grant.revoke(),
        () => {},
      ); // with the machine goes all that is for it alone
      return answer;
    } catch (error) {
      await grant.revoke();
      throw error;
    }
  },
};
