import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * How to start this program again: the sources run by Node's type stripping while developing, one
 * bundled file when shipped. `root` is what a copy of it must be able to read.
 */
export interface Self {
  readonly kind: "source" | "bundle";
  readonly node: string;
  readonly root: string;
  /** The file that takes an internal command's name as its first argument. */
  readonly entry: string;
}

export function locateSelf(): Self {
  const here = fileURLToPath(import.meta.url);
  if (here.endsWith(".ts")) {
    return {
      kind: "source",
      node: process.execPath,
      root: resolve(dirname(here), "../../.."),
      entry: "src/runner/isolation/main.ts",
    };
  }
  return { kind: "bundle", node: process.execPath, root: here, entry: "" };
}

/** argv of an internal command. */
export function selfCommand(
  self: Self,
  command: string,
  args: readonly string[] = [],
): [string, ...string[]] {
  return [self.node, self.entry === "" ? self.root : join(self.root, self.entry), command, ...args];
}
