import {
  build,
  file,
  FILE,
  flake,
  FLAKE,
  nixString,
  type Attack,
  type Canaries,
  type Tree,
} from "./attack.ts";

/** Flakes that do not evaluate. Each ends in a verdict that says why, and takes nothing with it. */

const packagesOf = ({ system }: Canaries, lines: string): Tree => ({
  "flake.nix": `{\n  outputs = inputs: {\n    packages.${system} = {\n${lines}\n    };\n  };\n}\n`,
});
const fine = (canaries: Canaries): string => `      fine = ${build(canaries, "echo fine > $out")};`;

const wholeFlake = (
  name: string,
  tries: string,
  text: string | Uint8Array | null,
  says?: RegExp,
): Attack => ({
  name,
  tries,
  entry: FLAKE,
  plainNix: "holds",
  expect: { kind: "evaluation-fails", ...(says ? { says } : {}) },
  tree: (): Tree => (text === null ? { "README.md": "no flake here\n" } : { "flake.nix": text }),
});

const oneAttribute = (system: string, name: string, tries: string, expression: string): Attack => ({
  name,
  tries: `${tries}, beside one that is fine`,
  entry: FLAKE,
  plainNix: "holds",
  expect: {
    kind: "attributes",
    verdicts: {
      [`packages.${system}.bad`]: ["evaluation-error"],
      [`packages.${system}.fine`]: ["succeeded"],
    },
  },
  tree: (canaries) => packagesOf(canaries, `      bad = ${expression};\n${fine(canaries)}`),
});

export const broken = (system: string): readonly Attack[] => [
  wholeFlake(
    "does-not-parse",
    "a syntax error",
    "{\n  outputs = inputs: {\n    packages = { ;\n  };\n}\n",
    /syntax error|unexpected/u,
  ),
  wholeFlake("no-flake", "there is no flake.nix at all", null),
  wholeFlake("empty-flake", "flake.nix is empty", ""),
  wholeFlake("not-a-set", "flake.nix is a number", "42\n"),
  wholeFlake("no-outputs", "a flake without outputs", '{ description = "nothing"; }\n', /outputs/u),
  wholeFlake("not-utf8", "flake.nix is not text", Uint8Array.from([0x7b, 0xff, 0xfe, 0x00, 0x7d])),
  wholeFlake(
    "outputs-throw",
    "outputs throws",
    '{ outputs = inputs: throw "on purpose"; }\n',
    /on purpose/u,
  ),
  wholeFlake(
    "missing-input",
    "an input that is nowhere",
    '{ inputs.nowhere.url = "path:./nowhere"; outputs = inputs: { packages = inputs.nowhere.packages; }; }\n',
    /nowhere/u,
  ),
  wholeFlake(
    "unknown-input",
    "an input that no registry knows",
    "{ outputs = { self, nowhere }: { packages = nowhere.packages; }; }\n",
    /nowhere/u,
  ),
  wholeFlake(
    "input-cycle",
    "two inputs that follow each other",
    '{ inputs.a.follows = "b"; inputs.b.follows = "a"; outputs = inputs: { packages = inputs.a; }; }\n',
  ),
  {
    name: "lock-is-not-json",
    tries: "a lock file that is not JSON",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "evaluation-fails" },
    tree: (canaries) => ({
      ...flake(canaries, build(canaries, "echo fine > $out")),
      "flake.lock": "{ not JSON",
    }),
  },
  oneAttribute(system, "attribute-throws", "an attribute that throws", 'throw "bad on purpose"'),
  oneAttribute(system, "attribute-aborts", "an attribute that aborts", 'abort "bad on purpose"'),
  oneAttribute(
    system,
    "attribute-asserts",
    "an attribute with a false assertion",
    'assert false; "never"',
  ),
  oneAttribute(system, "attribute-recurses", "an attribute that needs itself", "let x = x; in x"),
  oneAttribute(
    system,
    "attribute-overflows",
    "an attribute that recurses without end",
    "let f = x: 1 + f (x + 1); in f 0",
  ),
  oneAttribute(system, "attribute-missing", "an attribute of a set that lacks it", "{ }.missing"),
  oneAttribute(
    system,
    "attribute-invalid-name",
    "a derivation whose name is no store name",
    `derivation { name = "no/slash allowed"; system = ${nixString(system)}; builder = "/bin/sh"; }`,
  ),
  {
    name: "file-throws",
    tries: "a file whose declared attribute throws",
    entry: FILE,
    plainNix: "holds",
    expect: { kind: "attributes", verdicts: { loot: ["evaluation-error"] } },
    tree: () => file('throw "bad on purpose"'),
  },
  {
    name: "file-missing",
    tries: "a declared file that is not there",
    entry: FILE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: () => ({ "README.md": "no file here\n" }),
  },
  {
    name: "not-a-derivation",
    tries: "a package that is a string",
    entry: FLAKE,
    plainNix: "holds",
    expect: { kind: "refused" },
    tree: (canaries) => flake(canaries, '"only text"'),
  },
];
