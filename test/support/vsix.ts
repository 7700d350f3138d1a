import type { Sandbox } from "@skerry/sdk";

/** An extension of VS Code: its name, and what runs once in each window. */
export interface Extension {
  readonly name: string;
  readonly code: string;
}

/** Makes the package of an extension, inside of a sandbox. */
export async function packageExtension(
  sandbox: Sandbox,
  path: string,
  { name, code }: Extension,
): Promise<void> {
  const identity = { name, publisher: "test", version: "1.0.0" };
  const manifest = {
    ...{ ...identity, engines: { vscode: "^1.90.0" }, main: "./main.js" },
    ...{ activationEvents: ["onStartupFinished"], extensionKind: ["workspace"] },
  };
  const files = {
    "[Content_Types].xml": `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="json" ContentType="application/json"/><Default Extension="js" ContentType="application/javascript"/><Default Extension="vsixmanifest" ContentType="text/xml"/></Types>`,
    "extension.vsixmanifest": `<?xml version="1.0"?><PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011"><Metadata><Identity Language="en-US" Id="${name}" Version="1.0.0" Publisher="test"/><DisplayName>${name}</DisplayName></Metadata><Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation><Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/></Assets></PackageManifest>`,
    "extension/package.json": JSON.stringify(manifest),
    "extension/main.js": code,
  };
  await sandbox.fs.writeTextFile(`${path}.json`, JSON.stringify(files));
  const program =
    "import json, sys, zipfile; a = zipfile.ZipFile(sys.argv[1], 'w'); [a.writestr(n, t) for n, t in json.load(open(sys.argv[1] + '.json')).items()]; a.close()";
  await sandbox.sh`python3 -c ${program} ${path}`;
}
