import {
  build,
  file,
  FILE,
  flake,
  FLAKE,
  nixString,
  show,
  type Attack,
  type Canaries,
  type Tree,
} from "./attack.ts";

/** Settings and builtins by which a tree would change how it is treated. */

/** A flake that sets `name` and then needs it to hold. */
function configured(canaries: Canaries, settings: Record<string, string>, loot: string): Tree {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${nixString(value)};`);
  return flake(canaries, loot, `nixConfig = { ${lines.join(" ")} };`);
}

const readsKey = (canaries: Canaries): string =>
  build(canaries, `tee $out < ${canaries.key} || exit 1`);
/** A program that shows that it ran, wherever it ran. */
const drop = (canaries: Canaries, name: string): string =>
  `#!/bin/sh\necho dropped > ${canaries.dropbox}/${name}\n`;
const builds = (canaries: Canaries): string => build(canaries, "echo built > $out");

interface Setting {
  readonly name: string;
  readonly tries: string;
  readonly settings: (canaries: Canaries) => Record<string, string>;
  readonly loot: (canaries: Canaries) => string;
  readonly expect: Attack["expect"];
  readonly plainNix: Attack["plainNix"];
  readonly more?: (canaries: Canaries) => Tree;
}

const settings: readonly Setting[] = [
  {
    name: "sandbox",
    tries: "turns the sandbox off",
    settings: () => ({ sandbox: "false" }),
    loot: readsKey,
    expect: { kind: "refused" },
    plainNix: "leaks",
  },
  {
    name: "sandbox-fallback",
    tries: "lets builds go on without a sandbox",
    settings: () => ({ "sandbox-fallback": "true" }),
    loot: readsKey,
    expect: { kind: "refused" },
    plainNix: "holds",
  },
  {
    name: "sandbox-paths",
    tries: "adds the agent's key to the sandbox",
    settings: ({ key }) => ({ "extra-sandbox-paths": key }),
    loot: readsKey,
    expect: { kind: "refused" },
    plainNix: "leaks",
  },
  {
    name: "substituters",
    tries: "adds a cache, and would trust it",
    settings: ({ port }) => ({
      "extra-substituters": `http://127.0.0.1:${port}`,
      "require-sigs": "false",
    }),
    loot: builds,
    expect: { kind: "contained" },
    plainNix: "leaks",
  },
  {
    name: "post-build-hook",
    tries: "runs a program after each build",
    settings: ({ dropbox }) => ({ "post-build-hook": `${dropbox}/../hostile-hook` }),
    loot: builds,
    expect: { kind: "contained" },
    plainNix: "holds",
  },
  {
    name: "plugin-files",
    tries: "loads a plug-in into the evaluator",
    settings: ({ key }) => ({ "plugin-files": key }),
    loot: builds,
    expect: { kind: "contained" },
    plainNix: "holds",
  },
  {
    name: "builders",
    tries: "sends builds to a machine of its own",
    settings: ({ system }) => ({
      builders: `ssh://root@127.0.0.1 ${system} /dev/null 100 100`,
      "builders-use-substitutes": "true",
    }),
    loot: builds,
    expect: { kind: "contained" },
    plainNix: "holds",
  },
  {
    name: "netrc",
    tries: "names the agent's key as a netrc file",
    settings: ({ key }) => ({ "netrc-file": key }),
    loot: builds,
    expect: { kind: "contained" },
    plainNix: "holds",
  },
  {
    name: "bash-prompt",
    tries: "puts escape codes into a shell prompt",
    settings: () => ({ "bash-prompt": "\u001b]0;owned\u0007$ " }),
    loot: builds,
    expect: { kind: "contained" },
    plainNix: "holds",
  },
  {
    name: "native-code",
    tries: "turns on builtins.exec and runs a program",
    settings: () => ({ "allow-unsafe-native-code-during-evaluation": "true" }),
    loot: (canaries) =>
      show(
        canaries,
        `builtins.exec [ "/bin/sh" "-c" ${nixString(`echo dropped > ${canaries.dropbox}/exec; echo '"ran"'`)} ]`,
      ),
    expect: { kind: "refused" },
    // Whether accepting the setting turns it on depends on the version.
    plainNix: "holds",
  },
  {
    name: "impure-derivations",
    tries: "turns on an experimental feature, and uses it to read the agent's key",
    settings: () => ({ "extra-experimental-features": "impure-derivations ca-derivations" }),
    loot: (canaries) =>
      build(
        canaries,
        `tee $out < ${canaries.key} || exit 1`,
        '__impure = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";',
      ),
    expect: { kind: "refused" },
    // 2.8 aborts.
    plainNix: "depends",
  },
  {
    name: "import-from-derivation",
    tries: "turns on builds during the evaluation",
    settings: () => ({ "allow-import-from-derivation": "true" }),
    loot: (canaries) => show(canaries, `import (${build(canaries, "echo '\"built\"' > $out")})`),
    expect: { kind: "refused" },
    plainNix: "holds",
  },
  {
    name: "hook-in-tree",
    tries: "names a program of the tree as the hook before each build",
    settings: () => ({
      "pre-build-hook": "./hook",
      "diff-hook": "./hook",
      "run-diff-hook": "true",
    }),
    loot: builds,
    more: (canaries) => ({ hook: { executable: drop(canaries, "hook") } }),
    expect: { kind: "contained" },
    plainNix: "holds",
  },
];

export const nixConfig: readonly Attack[] = settings.map((setting) => ({
  name: `nixconfig-${setting.name}`,
  tries: `nixConfig ${setting.tries}`,
  entry: FLAKE,
  plainNix: setting.plainNix,
  expect: setting.expect,
  tree: (canaries) => ({
    ...configured(canaries, setting.settings(canaries), setting.loot(canaries)),
    ...setting.more?.(canaries),
  }),
}));

export const builtinsOutOfReach: readonly Attack[] = [
  {
    name: "builtins-exec",
    tries: "default.nix runs a program by builtins.exec",
    entry: FILE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) =>
      file(
        show(
          canaries,
          `builtins.exec [ "/bin/sh" "-c" ${nixString(`echo dropped > ${canaries.dropbox}/exec; echo '"ran"'`)} ]`,
        ),
      ),
  },
  {
    name: "builtins-import-native",
    tries: "default.nix loads a shared object by builtins.importNative",
    entry: FILE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) => file(show(canaries, 'builtins.importNative ./libloot.so "loot"')),
  },
  {
    name: "recursive-nix",
    tries: "a builder asks for Nix inside the sandbox",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(
        canaries,
        build(
          canaries,
          `tee $out < ${canaries.key} || exit 1`,
          'requiredSystemFeatures = [ "recursive-nix" ];',
        ),
      ),
  },
  {
    name: "git-hooks",
    tries: "the tree brings git attributes, filters and hooks",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "contained" },
    tree: (canaries) => ({
      ...flake(canaries, builds(canaries)),
      ".gitattributes": "* filter=loot diff=loot merge=loot\n",
      ".gitconfig": `[filter "loot"]\n\tsmudge = touch ${canaries.dropbox}/filter\n\trequired = true\n`,
      ".githooks/post-checkout": { executable: drop(canaries, "post-checkout") },
      ".envrc": drop(canaries, "envrc"),
      ".npmrc": "script-shell=./.githooks/post-checkout\n",
    }),
  },
];
