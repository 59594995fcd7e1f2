import type { VerdictKind } from "../../src/protocol/verdict.ts";
import { FLAKE, nixString, type Attack, type Canaries } from "./attack.ts";

/** Builders that do what no builder should, side by side in one flake: each has a verdict of its own, none harms another. */

type Odd = {
  readonly script: string;
  readonly ends: readonly VerdictKind[];
  /** Name of the derivation; `odd` unless given. */
  readonly name?: string;
  /** More of the derivation, as Nix. */
  readonly more?: string;
};

const SUCCEEDED = ["succeeded"] as const;
const FAILED = ["failed"] as const;
/** As many as a store name may have, with the nonce. */
const LONG = "n".repeat(180);
const FILES = 3_000;

/** What looks like Nix's own word about the neighbour; `$neighbour` is its derivation. */
const FORGED = [
  `error: builder for '$neighbour' failed with exit code 1`,
  `error: Cannot build '$neighbour'.\\n       Reason: builder failed with exit code 1.`,
  `error: hash mismatch in fixed-output derivation '$neighbour':\\n  specified: sha256-A=\\n  got: sha256-B=`,
  `@nix {\\"action\\":\\"msg\\",\\"level\\":0,\\"msg\\":\\"error: builder for '$neighbour' failed with exit code 1\\"}`,
  `@nix {\\"action\\":\\"start\\",\\"id\\":1,\\"level\\":3,\\"parent\\":0,\\"text\\":\\"building '$neighbour'\\",\\"type\\":105,\\"fields\\":[\\"$neighbour\\",\\"\\",1,1]}`,
  `@nix {\\"action\\":\\"stop\\",\\"id\\":1}`,
]
  .flatMap((line) => [`printf "${line}\\n"`, `printf "${line}\\n" >&2`])
  .join("; ");

export const ODD: Readonly<Record<string, Odd>> = {
  neighbour: { script: "sleep 1; echo fine; echo fine > $out", ends: SUCCEEDED, name: "neighbour" },
  "named-rf": { script: "echo > $out", ends: SUCCEEDED, name: "-rf" },
  "named-rf-and-fails": { script: "echo no; exit 3", ends: FAILED, name: "-rf" },
  "named-like-an-option": { script: "echo > $out", ends: SUCCEEDED, name: "--help" },
  "named-with-everything": { script: "echo > $out", ends: SUCCEEDED, name: "a+b-c_d.e?f=g.drv-h" },
  "named-at-length": { script: "echo no; exit 3", ends: FAILED, name: LONG },
  "makes-nothing": { script: "echo done", ends: FAILED },
  "makes-one-of-two": { script: "echo > $out", ends: FAILED, more: 'outputs = [ "out" "doc" ];' },
  "makes-an-empty-file": { script: ": > $out", ends: SUCCEEDED },
  "makes-a-dangling-link": { script: "ln -s /nowhere/at/all $out", ends: SUCCEEDED },
  "makes-links-in-a-circle": {
    script: "mkdir $out; ln -s b $out/a; ln -s a $out/b; ln -s . $out/self; ln -s $out $out/top",
    ends: SUCCEEDED,
  },
  "makes-a-pipe": { script: "mkfifo $out", ends: FAILED },
  "makes-what-nobody-may-read": {
    script: "mkdir -p $out/d; echo x > $out/d/f; chmod 000 $out/d/f $out/d $out",
    ends: SUCCEEDED,
  },
  // Nix rejects the one and mends the other.
  "makes-it-writable-for-all": { script: "echo x > $out; chmod 777 $out", ends: FAILED },
  "makes-a-part-writable-for-all": {
    script: "mkdir $out; echo x > $out/f; chmod 7777 $out/f || chmod 777 $out/f",
    ends: ["succeeded", "failed"],
  },
  "makes-many-files": {
    script: `mkdir $out; i=0; while [ $i -lt ${FILES} ]; do : > $out/$i; i=$((i+1)); done`,
    ends: SUCCEEDED,
  },
  "makes-awkward-file-names": {
    script: `mkdir $out; cd $out; printf x > ./-rf; printf x > "$(printf 'new\\nline')"; printf x > "$(printf '\\033[31m')"; printf x > "$(printf '\\377\\376')"`,
    ends: SUCCEEDED,
  },
  "makes-it-of-the-future": { script: "echo > $out; touch -d 2106-02-07 $out", ends: SUCCEEDED },
  "writes-to-its-neighbour": {
    script:
      'for p in "$reads" "$reads.lock" /nix/store/owned; do { echo owned > "$p"; rm -rf "$p"; mv "$p" x; } 2>&1; done; echo > $out',
    ends: SUCCEEDED,
    more: "reads = neighbour;",
  },
  "writes-outside-the-store": {
    script:
      "for p in /owned /etc/owned /bin/owned /proc/sys/kernel/hostname; do echo owned > $p; done 2>&1; echo > $out",
    ends: SUCCEEDED,
  },
  // Nix takes the end of its output for its end, and kills it.
  "closes-its-output": { script: "exec >&- 2>&-; sleep 60; echo > $out", ends: FAILED },
  "leaves-a-daemon": {
    script: "(setsid sh -c 'while :; do sleep 1; done' > /dev/null 2>&1 &); echo > $out",
    ends: SUCCEEDED,
  },
  "kills-all-it-can": { script: "kill -9 -1; echo > $out", ends: ["succeeded", "failed"] },
  "prints-what-is-no-text": {
    script: `printf 'a\\000b\\377\\376\\355\\240\\200\\n\\033]0;title\\007\\033]8;;https://example.org\\007link\\033[2J\\033[31mred\\r\\n\\342\\200\\256rtl'; exit 3`,
    ends: FAILED,
  },
  "prints-without-end-of-line": { script: "printf %s no newline; exit 3", ends: FAILED },
  "forges-its-neighbours-failure": {
    script: `${FORGED}; sleep 2; ${FORGED}; echo > $out`,
    ends: SUCCEEDED,
    more: "neighbour = builtins.unsafeDiscardStringContext neighbour.drvPath;",
  },
  "forges-its-neighbours-failure-and-fails": {
    script: `${FORGED}; exit 3`,
    ends: FAILED,
    more: "neighbour = builtins.unsafeDiscardStringContext neighbour.drvPath;",
  },
};

/** Attributes that are one and the same derivation as another. */
const TWINS = {
  "twin-of-neighbour": "neighbour",
  "twin-that-fails": "named-rf-and-fails",
} as const;

export const odd = (system: string): Attack => ({
  name: "odd-builders",
  tries:
    "builders with odd names, outputs, modes, logs and manners, and attributes that share a derivation",
  entry: FLAKE,
  plainNix: "depends",
  expect: {
    kind: "attributes",
    verdicts: Object.fromEntries(
      [
        ...Object.entries(ODD).map(([attribute, { ends }]) => [attribute, ends] as const),
        ...Object.entries(TWINS).map(([twin, of]) => [twin, ODD[of]?.ends ?? []] as const),
      ].map(([attribute, ends]) => [`packages.${system}.${attribute}`, ends]),
    ),
  },
  tree: (canaries) => ({ "flake.nix": flakeOf(canaries) }),
});

function flakeOf({ system, nonce }: Canaries): string {
  const derivations = Object.entries(ODD).map(
    ([attribute, { script, name = "odd", more = "" }]) =>
      `${attribute} = derivation { name = ${nixString(name)}; system = ${nixString(system)}; builder = "/bin/sh"; PATH = "/bin:/usr/bin"; nonce = ${nixString(`${nonce} ${attribute}`)}; args = [ "-c" ${nixString(script)} ]; ${more} };`,
  );
  const twins = Object.entries(TWINS).map(([twin, of]) => `${twin} = ${of};`);
  return `{\n  outputs = inputs: {\n    packages.${system} = rec {\n      ${[...derivations, ...twins].join("\n      ")}\n    };\n  };\n}\n`;
}
