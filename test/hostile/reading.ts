import {
  file,
  FILE,
  flake,
  FLAKE,
  nixHidden,
  nixString,
  show,
  type Attack,
  type Canaries,
} from "./attack.ts";
import { join } from "node:path";

/** Reading what is not the job's: the agent's key, another job, the host's processes, another account's store. */

interface Target {
  readonly name: string;
  readonly what: string;
  readonly path: (canaries: Canaries) => string;
  /** By a file; see Attack. */
  readonly plainNix?: Attack["plainNix"];
}

const targets: readonly Target[] = [
  { name: "key", what: "the agent's key", path: ({ key }) => key },
  {
    name: "other-job",
    what: "another job's directory",
    path: ({ otherJob }) => join(otherJob, "key"),
  },
  {
    name: "proc-root",
    what: "the agent's key through /proc",
    path: ({ process, key }) => `/proc/${process}/root${key}`,
  },
  {
    name: "proc-init",
    what: "the agent's key through the first process",
    path: ({ key }) => `/proc/1/root${key}`,
    // In a container even root may not look there.
    plainNix: "depends",
  },
  { name: "store-path", what: "another account's store path", path: ({ storePath }) => storePath },
];

const read = (path: string): string => `builtins.readFile ${path}`;

/** By a file, which evaluates impurely: nothing in Nix itself stands in the way. */
const byFile: readonly Attack[] = targets.map(({ name, what, path, plainNix = "leaks" }) => ({
  name: `file-reads-${name}`,
  tries: `default.nix reads ${what}`,
  entry: FILE,
  plainNix,
  expect: { kind: "refused" },
  tree: (canaries) => file(show(canaries, read(`(/. + ${nixString(path(canaries))})`))),
}));

/** By an absolute path in a pure evaluation: Nix itself refuses, and must go on doing so. */
const byFlake: readonly Attack[] = targets.map(({ name, what, path }) => ({
  name: `flake-reads-${name}`,
  tries: `flake.nix reads ${what} by its absolute path`,
  entry: FLAKE,
  plainNix: "holds",
  expect: { kind: "refused" },
  tree: (canaries) => flake(canaries, show(canaries, read(`(/. + ${nixString(path(canaries))})`))),
}));

const input = (url: string): string => `inputs.loot = { url = ${nixString(url)}; flake = false; };`;

const byInput: readonly Attack[] = [
  {
    name: "input-path-file",
    tries: "a path: input is the agent's key itself",
    entry: FLAKE,
    // Not every version takes a file for a path: input.
    plainNix: "depends",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(canaries, show(canaries, read("inputs.loot.outPath")), input(`path:${canaries.key}`)),
  },
  {
    name: "input-path-directory",
    tries: "a path: input is another job's directory",
    entry: FLAKE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(
        canaries,
        show(canaries, read('(inputs.loot + "/key")')),
        input(`path:${canaries.otherJob}`),
      ),
  },
  {
    name: "input-git-file",
    tries: "a git+file: input is a repository on the host",
    entry: FLAKE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(
        canaries,
        show(canaries, read('(inputs.loot + "/key")')),
        input(`git+file://${canaries.repository.path}?ref=main&rev=${canaries.repository.commit}`),
      ),
  },
  {
    name: "input-proc-cwd",
    tries: "a path: input goes through /proc to another job's directory",
    entry: FLAKE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(
        canaries,
        show(canaries, read('(inputs.loot + "/key")')),
        input(`path:/proc/${canaries.process}/root${canaries.otherJob}`),
      ),
  },
];

const byLink: readonly Attack[] = [
  {
    name: "link-to-file",
    tries: "default.nix reads a symbolic link to the agent's key",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) => ({ ...file(show(canaries, read("./link"))), link: { link: canaries.key } }),
  },
  {
    name: "link-to-directory",
    tries: "default.nix reads through a symbolic link to another job's directory",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) => ({
      ...file(show(canaries, read("./link/key"))),
      link: { link: canaries.otherJob },
    }),
  },
  {
    name: "link-in-flake",
    tries: "flake.nix reads a symbolic link to the agent's key",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) => ({
      ...flake(canaries, show(canaries, read("./link"))),
      link: { link: canaries.key },
    }),
  },
  {
    name: "link-copied-to-store",
    tries: "default.nix copies what a link points to into the store",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) => ({
      ...file(show(canaries, read('"${builtins.path { name = "copied"; path = ./link/.; }}/key"'))),
      link: { link: canaries.otherJob },
    }),
  },
  {
    name: "link-is-entry",
    tries: "default.nix is itself a link to a file outside, whose text an error would quote",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "evaluation-fails" },
    tree: (canaries) => ({ "default.nix": { link: canaries.key } }),
  },
  {
    name: "link-is-flake",
    tries: "flake.nix is itself a link to a file outside, whose text an error would quote",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "evaluation-fails" },
    tree: (canaries) => ({ "flake.nix": { link: canaries.key } }),
  },
  {
    name: "link-as-output",
    tries: "an output is a link to the agent's key, for whoever follows it afterwards",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "contained" },
    tree: (canaries) =>
      flake(
        canaries,
        show(canaries, '"nothing yet"').replace(
          "> $out",
          `> /dev/null; ln -s ${canaries.key} $out`,
        ),
      ),
  },
];

const submodule = (url: string): string => `[submodule "sub"]\n\tpath = sub\n\turl = ${url}\n`;

const bySubmodule: readonly Attack[] = [
  {
    name: "submodule-of-host",
    tries: "a submodule is a repository on the host, by file:",
    entry: FILE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) => ({
      ...file(show(canaries, read("./sub/key"))),
      ".gitmodules": submodule(`file://${canaries.repository.path}`),
      sub: { gitlink: canaries.repository.commit },
    }),
  },
  {
    name: "submodule-self-input",
    tries: "the flake asks for its own submodules, one of which is on the host",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) => ({
      ...flake(canaries, show(canaries, read("./sub/key")), "inputs.self.submodules = true;"),
      ".gitmodules": submodule(`file://${canaries.repository.path}`),
      sub: { gitlink: canaries.repository.commit },
    }),
  },
  {
    name: "submodule-option-url",
    tries: "a submodule's URL is an option that runs a program (CVE-2018-17456)",
    entry: FILE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) => ({
      ...file(show(canaries, read("./sub/key"))),
      ".gitmodules": submodule(`--upload-pack=touch ${canaries.dropbox}/submodule`),
      sub: { gitlink: canaries.repository.commit },
    }),
  },
  {
    name: "submodule-outside-name",
    tries: "a submodule's name leads out of .git (CVE-2018-11235)",
    entry: FILE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) => ({
      ...file(show(canaries, read("./sub/key"))),
      ".gitmodules": `[submodule "../../../../../..${canaries.dropbox}/submodule"]\n\tpath = sub\n\turl = file://${canaries.repository.path}\n`,
      sub: { gitlink: canaries.repository.commit },
    }),
  },
];

/** Things that cannot be read as a file: seeing them is enough. */
const sees = (name: string, tries: string, path: (canaries: Canaries) => string): Attack => ({
  name,
  tries,
  entry: FILE,
  plainNix: "leaks",
  expect: { kind: "contained" },
  tree: (canaries) =>
    file(
      show(
        canaries,
        `if builtins.pathExists (/. + ${nixString(path(canaries))}) then ${nixHidden(canaries.visible)} else "nothing"`,
      ),
    ),
});

const bySight: readonly Attack[] = [
  sees(
    "sees-docker-socket",
    "default.nix looks for the Docker socket",
    ({ dockerSocket }) => dockerSocket,
  ),
  sees(
    "sees-agent-process",
    "default.nix looks for the agent in /proc",
    ({ process }) => `/proc/${process}/status`,
  ),
  sees("sees-key", "default.nix asks whether the agent's key exists", ({ key }) => key),
  {
    name: "reads-environment",
    tries: "default.nix reads a variable of the agent's environment",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "contained" },
    tree: (canaries) => file(show(canaries, `builtins.getEnv ${nixString(canaries.variable)}`)),
  },
];

export const reading: readonly Attack[] = [
  ...byFile,
  ...byFlake,
  ...byInput,
  ...byLink,
  ...bySubmodule,
  ...bySight,
];
