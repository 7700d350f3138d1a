/** What the editor is to do in a sandbox unless somebody says otherwise. */
export const defaults = {
  "telemetry.telemetryLevel": "off",
  "security.workspace.trust.enabled": false,
  "update.mode": "none",
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "workbench.startupEditor": "none",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
};

/**
 * The text of settings.json: ours, over them what is there already, over that what the caller gives. Null when what is
 * there is no plain JSON object (people put comments in): then it stays as it is, and so does all of it.
 */
export function mergedSettings(existing, given) {
  let there;
  try {
    there = JSON.parse(existing);
  } catch {
    return null;
  }
  if (typeof there !== "object" || there === null || Array.isArray(there)) return null;
  return `${JSON.stringify({ ...defaults, ...there, ...given }, null, 2)}\n`;
}
