import { fail, ok, warn, type Finding } from "./finding.ts";

interface Tool {
  readonly program: string;
  /** What it is for. */
  readonly purpose: "machines" | "images";
  readonly remedy: string;
}

const debian = (name: string): string => `\`npm start\` installs it, or: apt-get install ${name}`;

/** The programs that a server calls. */
export const tools: readonly Tool[] = [
  { program: "qemu-system-x86_64", purpose: "machines", remedy: debian("qemu-system-x86") },
  { program: "nft", purpose: "machines", remedy: debian("nftables") },
  { program: "mkfs.erofs", purpose: "images", remedy: debian("erofs-utils") },
  { program: "mmdebstrap", purpose: "images", remedy: debian("mmdebstrap") },
  { program: "cargo", purpose: "images", remedy: "`npm start` installs it, or see rustup.rs" },
];

/** Without a program for machines nothing runs; without one for images, the ones that are built do. */
export function toolFinding(tool: Tool, path: string | undefined): Finding {
  if (path !== undefined) return ok(tool.program, path);
  return tool.purpose === "machines"
    ? fail(tool.program, "is not installed; no machine can start", tool.remedy)
    : warn(tool.program, "is not installed; no image can be built", tool.remedy);
}
