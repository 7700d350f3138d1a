import { z } from "zod";

/** Where the disk with the editor is mounted. */
const place = "/.skerry/editor";

/** The program that starts the editor; its last argument is an {@link EditorRequest} as JSON. */
export const editorCommand = {
  command: `${place}/bin/node`,
  args: [`${place}/start.mjs`],
} as const;

/** What an editor is to be. */
export interface EditorRequest {
  /** Absolute. */
  readonly folder: string;
  /** Ids, or paths of `.vsix` files. */
  readonly extensions: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
  /** The address of a page to show, or null. */
  readonly preview: string | null;
  readonly stopButton: boolean;
}

/** The one line that the editor writes on its descriptor 3, when it takes connections there. */
export const EditorReady = z.object({ port: z.int().min(1).max(65_535) });
