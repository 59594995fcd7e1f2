import { attributeName } from "../../src/protocol/attribute.ts";
import { FLAKE, lootName, nixString, type Attack, type Canaries, type Tree } from "./attack.ts";

/** Attribute names that are something else to a shell, a path, a page, a terminal or an object of JavaScript. */
export const awkwardNames = [
  "a.b",
  'quo"te',
  "single'quote",
  "back\\slash",
  "slash/in/it",
  "..",
  "../../../../etc/snowcat-hostile",
  "/etc/snowcat-hostile",
  ".",
  "with space",
  "new\nline",
  "tab\there",
  "carriage\rreturn",
  "\u001b[31mred\u001b[0m",
  "\u001b]8;;https://example.org\u0007link\u001b]8;;\u0007",
  "-rf",
  "--option",
  "$(touch owned)",
  "`touch owned`",
  '${builtins.abort "interpolated"}',
  "<script>alert(1)</script>",
  "[click](javascript:alert(1))",
  "| table | cell |",
  "@everyone",
  "::set-output name=x::y",
  "__proto__",
  "constructor",
  "toString",
  "ünïcödé",
  "雪猫",
  "🐱",
  "e\u0301 and \u00e9",
  "right\u202eto left",
  "zero\u200bwidth",
  "%2e%2e%2f",
  "#fragment",
  "CON",
  "*",
  "^out",
  "if",
  "x".repeat(200),
] as const;

function derivationOf(canaries: Canaries, script: string): string {
  return `derivation { name = ${lootName(canaries)}; system = ${nixString(canaries.system)}; builder = "/bin/sh"; args = [ "-c" ${nixString(script)} ]; }`;
}

function packages(canaries: Canaries, script: (index: number) => string): Tree {
  const lines = awkwardNames.map(
    (name, index) => `      ${nixString(name)} = ${derivationOf(canaries, script(index))};`,
  );
  return {
    "flake.nix": `{\n  outputs = inputs: {\n    packages.${canaries.system} = {\n${lines.join("\n")}\n    };\n  };\n}\n`,
  };
}

/** Names as a report spells them, for the system the canaries name. */
export function awkwardAttributes(system: string): string[] {
  return awkwardNames.map((name) => attributeName(["packages", system, name]));
}

export const naming = (system: string): readonly Attack[] => [
  {
    name: "awkward-names",
    tries:
      "attribute names with dots, quotes, slashes, newlines, unicode and escape codes, all of which build",
    entry: FLAKE,
    plainNix: "holds",
    expect: {
      kind: "attributes",
      verdicts: Object.fromEntries(awkwardAttributes(system).map((name) => [name, ["succeeded"]])),
    },
    tree: (canaries) => packages(canaries, (index) => `echo ${index} > $out`),
  },
  {
    name: "awkward-names-that-fail",
    tries: "the same names, each with a failure and a log of its own",
    entry: FLAKE,
    plainNix: "holds",
    expect: {
      kind: "attributes",
      verdicts: Object.fromEntries(awkwardAttributes(system).map((name) => [name, ["failed"]])),
    },
    tree: (canaries) => packages(canaries, (index) => `echo failing ${index}; exit 3`),
  },
  {
    name: "confusable-names",
    tries: "two different attributes whose names are the same once quotes are dropped",
    entry: FLAKE,
    plainNix: "holds",
    expect: {
      kind: "attributes",
      verdicts: {
        [attributeName(["packages", system, "a.b"])]: ["succeeded"],
        [attributeName(["packages", system, "a-b"])]: ["failed"],
        [attributeName(["packages", system, "A-B"])]: ["succeeded"],
      },
    },
    tree: (canaries) => ({
      "flake.nix": `{\n  outputs = inputs: {\n    packages.${canaries.system} = {\n      "a.b" = ${derivationOf(canaries, "echo > $out")};\n      a-b = ${derivationOf(canaries, "exit 3")};\n      A-B = ${derivationOf(canaries, "echo upper > $out")};\n    };\n  };\n}\n`,
    }),
  },
];
