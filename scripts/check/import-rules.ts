/** Who may import whom. Folders are relative to the checkout; the longest that fits a file rules it. */
export interface ImportRule {
  readonly folder: string;
  /** Folders of this checkout whose files it may import. */
  readonly folders: readonly string[];
  /** Whether it may import a package or a built-in module, by specifier. */
  readonly allows: (specifier: string) => boolean;
}

/** Only the Worker talks to the platform and to GitHub. */
const control = /^(cloudflare:|hono(\/|$)|probot(\/|$)|octokit(\/|$)|@octokit\/)/;
/** Only one folder starts processes. */
const processes = /^(execa|(node:)?child_process)$/;
/** Tests and scripts start programs plainly; execa's shape stays behind the runner's own port. */
const execa = /^execa$/;

export const importRules: readonly ImportRule[] = [
  {
    folder: "src/protocol",
    folders: ["src/protocol"],
    allows: (specifier) => specifier === "zod",
  },
  {
    folder: "src/core",
    folders: ["src/core", "src/protocol"],
    // yaml parses text to data and keeps the lines that errors point at; it does no I/O.
    allows: (specifier) => specifier === "zod" || specifier === "yaml",
  },
  {
    folder: "src/bot",
    folders: ["src/bot", "src/core", "src/protocol"],
    allows: (specifier) => !processes.test(specifier),
  },
  {
    folder: "src/runner",
    folders: ["src/runner", "src/core", "src/protocol"],
    allows: (specifier) => !control.test(specifier) && !processes.test(specifier),
  },
  {
    folder: "src/runner/process",
    folders: ["src/runner", "src/core", "src/protocol"],
    allows: (specifier) => !control.test(specifier),
  },
  {
    // Runs inside the sandbox, where nothing but Node and this one file is visible: execa is not.
    folder: "src/runner/isolation/init",
    folders: ["src/runner/isolation/init"],
    allows: (specifier) => specifier.startsWith("node:"),
  },
  { folder: "scripts", folders: [""], allows: (specifier) => !execa.test(specifier) },
  { folder: "test", folders: [""], allows: (specifier) => !execa.test(specifier) },
];
