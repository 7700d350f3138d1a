"use strict";

const vscode = require("vscode");

/** Runs once in each window. What it is to do is in the environment that `start.mjs` made. */
exports.activate = (context) => {
  const { SKERRY_EDITOR_PID: pid, SKERRY_EDITOR_PREVIEW: preview } = process.env;
  const stop = vscode.commands.registerCommand("skerry.stop", () => {
    if (pid !== undefined) process.kill(Number(pid), "SIGTERM");
  });
  context.subscriptions.push(stop);
  if (pid !== undefined) {
    const button = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Right, -1000);
    button.text = "$(debug-stop) Stop VS Code Instance";
    button.command = "skerry.stop";
    button.show();
    context.subscriptions.push(button);
  }
  if (preview !== undefined) {
    const beside = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    void vscode.commands.executeCommand(
      "simpleBrowser.api.open",
      vscode.Uri.parse(preview),
      beside,
    );
  }
};
