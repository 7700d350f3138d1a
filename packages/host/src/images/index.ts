export { fillEditor, type FillEditorOptions } from "./fill-editor.ts";
export { ImageError, imageErrorCodes, type ImageErrorCode } from "./errors.ts";
export { ensureImage, type EnsureImageOptions, type MachineImage, type Progress } from "./image.ts";
export { listImages, removeImage, type StoredImage } from "./list.ts";
export { recipeNames } from "./recipe.ts";
export { runTool, type ToolOptions } from "./tool.ts";
