import { createHash } from "node:crypto";
import {
  build,
  file,
  FILE,
  flake,
  FLAKE,
  lootName,
  nixHidden,
  nixString,
  show,
  type Attack,
  type Canaries,
} from "./attack.ts";

/** Builders that look around, and evaluations that build. */

const reads = (name: string, tries: string, script: (canaries: Canaries) => string): Attack => ({
  name,
  tries,
  entry: FLAKE,
  plainNix: "leaks",
  expect: { kind: "refused" },
  tree: (canaries) =>
    flake(canaries, build(canaries, `${script(canaries)} || exit 1; cat key > $out`)),
});

/** The secret's SHA-256: with the right hash nothing but the sandbox stands in the way. */
export function secretHash(canaries: Canaries): string {
  return createHash("sha256").update(canaries.secret).digest("hex");
}

export const building: readonly Attack[] = [
  reads("builder-reads-key", "a builder reads the agent's key", ({ key }) => `tee key < ${key}`),
  reads(
    "builder-reads-other-job",
    "a builder reads another job's directory",
    ({ otherJob }) => `tee key < ${otherJob}/key`,
  ),
  reads(
    "builder-reads-proc",
    "a builder goes through /proc",
    ({ key, process }) => `tee key < /proc/${process}/root${key}`,
  ),
  {
    name: "builder-sees-docker-socket",
    tries: "a builder looks for the Docker socket",
    entry: FLAKE,
    plainNix: "leaks",
    expect: { kind: "contained" },
    tree: (canaries) => {
      const half = Math.floor(canaries.visible.length / 2);
      const [a, b] = [canaries.visible.slice(0, half), canaries.visible.slice(half)];
      return flake(
        canaries,
        build(
          canaries,
          `if [ -e ${canaries.dockerSocket} ]; then a=${a}; echo "$a"${b}; fi; echo done > $out`,
        ),
      );
    },
  },
  {
    name: "builder-without-chroot",
    tries: "__noChroot asks to build without the sandbox",
    entry: FLAKE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(
        canaries,
        build(canaries, `tee $out < ${canaries.key} || exit 1`, "__noChroot = true;"),
      ),
  },
  {
    name: "builder-impure",
    tries: "__impure asks for a derivation that is built outside the rules",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(
        canaries,
        build(
          canaries,
          `tee $out < ${canaries.key} || exit 1`,
          '__impure = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";',
        ),
      ),
  },
  {
    name: "builder-impure-environment",
    tries: "impureEnvVars asks for a variable of the daemon",
    entry: FLAKE,
    plainNix: "leaks",
    expect: { kind: "contained" },
    tree: (canaries) =>
      flake(
        canaries,
        build(
          canaries,
          `printf %s "$${canaries.variable}" | tee $out`,
          `impureEnvVars = [ ${nixString(canaries.variable)} ]; outputHashAlgo = "sha256"; outputHash = ${nixString(secretHash(canaries))};`,
        ),
      ),
  },
  {
    name: "builder-leaves-setuid",
    tries: "an output is a setuid program",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "contained" },
    tree: (canaries) =>
      flake(canaries, build(canaries, "cat /bin/sh > $out; chmod 4755 $out || chmod 755 $out")),
  },
  {
    name: "builder-is-on-the-host",
    tries: "the builder is a program outside the store",
    entry: FLAKE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(
        canaries,
        `derivation { name = ${lootName(canaries)}; system = ${nixString(canaries.system)}; builder = "/usr/bin/env"; args = [ "sh" "-c" ${nixString(`PATH=/bin:/usr/bin; tee $out < ${canaries.key}`)} ]; PATH = "/bin:/usr/bin"; }`,
      ),
  },
  {
    name: "ifd-in-flake",
    tries: "the evaluation imports what it first has to build",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) =>
      flake(canaries, show(canaries, `import (${build(canaries, "echo '\"built\"' > $out")})`)),
  },
  {
    name: "ifd-reads-key",
    tries: "the evaluation reads the output of a builder that reads the agent's key",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) =>
      file(
        show(
          canaries,
          `builtins.readFile (${build(canaries, `cat ${canaries.key} > $out || exit 1`)})`,
        ),
      ),
  },
  {
    name: "fixed-output-file-url",
    tries:
      "builtin:fetchurl, which the daemon runs itself, fetches a file: URL, the right hash given",
    entry: FLAKE,
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) => {
      const loot = `derivation { name = ${lootName(canaries)}; system = "builtin"; builder = "builtin:fetchurl"; url = ${nixString(`file://${canaries.key}`)}; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = ${nixString(secretHash(canaries))}; executable = false; unpack = false; }`;
      return flake(
        canaries,
        show(canaries, "loot")
          .replace("derivation", `let loot = ${loot}; in derivation`)
          .replaceAll('echo \\"$loot\\"', "cat $loot"),
      );
    },
  },
  {
    name: "known-hash-of-another-account",
    tries:
      "a fixed-output derivation names the hash of another account's file, and hopes that it is already there",
    entry: FLAKE,
    // One store for everybody: this is why each account has its own.
    plainNix: "leaks",
    expect: { kind: "refused" },
    tree: (canaries) => {
      const name = canaries.storePath.slice(canaries.storePath.lastIndexOf("/") + 34);
      const loot = `derivation { name = ${nixString(name)}; system = ${nixString(canaries.system)}; builder = "/bin/false"; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = ${nixString(secretHash(canaries))}; }`;
      return flake(
        canaries,
        `let loot = ${loot}; in ${build(canaries, "cat $loot; cat $loot > $out", "inherit loot;")}`,
      );
    },
  },
  {
    name: "sees-by-import",
    tries: "an import of a folder on the host is tried and caught",
    entry: FILE,
    plainNix: "leaks",
    expect: { kind: "contained" },
    tree: (canaries) =>
      file(
        show(
          canaries,
          `if (builtins.tryEval (builtins.readDir (/. + ${nixString(canaries.otherJob)}) ? key)).value then ${nixHidden(canaries.visible)} else "nothing"`,
        ),
      ),
  },
];
