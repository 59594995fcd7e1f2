import type { BuildOptions } from "esbuild";

/**
 * The runner as one file: Node's own modules are all it needs beside it. `require` is for the CommonJS parts of its
 * dependencies; ws's optional native helpers are left out, it does without.
 */
export function bundleOptions(root: string, outfile: string): BuildOptions {
  return {
    absWorkingDir: root,
    entryPoints: ["src/runner/main.ts"],
    outfile,
    bundle: true,
    platform: "node",
    target: "node22",
    format: "esm",
    external: ["bufferutil", "utf-8-validate"],
    banner: {
      js: 'import { createRequire as snowcatRequire } from "node:module";\nconst require = snowcatRequire(import.meta.url);',
    },
    legalComments: "inline",
    metafile: true,
    logLevel: "silent",
  };
}
