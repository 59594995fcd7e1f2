/** What an attribute of a shape comes to: a verdict's kind, and for an error words of it. */
export type Expected = string | readonly ["evaluation-error", RegExp];

/** One odd way to write a flake's outputs. */
export interface Shape {
  readonly name: string;
  /** The outputs: Nix text of a set's members, or a whole `outputs` expression where it begins with `=`. */
  readonly outputs: string;
  /** Verdict of every attribute; an attribute that is not named must not be there. */
  readonly expected: Readonly<Record<string, Expected>>;
  /** Words of findings that must be told, and how many there are at all. */
  readonly findings?: readonly RegExp[];
  /** Lines of `.github/snowcat.yml` below the flake's entry. */
  readonly entry?: readonly string[];
  readonly inputs?: string;
  readonly files?: Readonly<Record<string, string>>;
}

const ok = "succeeded";
const error = (words: RegExp): Expected => ["evaluation-error", words];
const on = (path: string): string => `packages.x86_64-linux.${path}`;

/** Evaluated and built each by itself; `mk name` is a derivation that builds. */
export const SHAPES: readonly Shape[] = [
  { name: "no outputs at all", outputs: "", expected: {} },
  {
    name: "empty sets of outputs",
    outputs: "packages = { }; checks.x86_64-linux = { };",
    expected: {},
  },
  {
    name: "outputs that are null, a list, a string, a number, a function",
    outputs: `packages = null; checks = [ ]; devShells = "x"; formatter = 1; nixosConfigurations = x: x;`,
    expected: {
      packages: error(/is null, not a set/u),
      checks: error(/is a list, not a set/u),
      devShells: error(/is a string, not a set/u),
      formatter: error(/is a number, not a set/u),
      nixosConfigurations: error(/is a function, not a set/u),
    },
  },
  {
    name: "systems that are null, a list, a function, a derivation",
    outputs: `packages = { x86_64-linux = null; aarch64-linux = [ ]; riscv64-linux = x: x; i686-linux = mk "a"; };`,
    expected: {
      "packages.x86_64-linux": error(/is null, not a set/u),
      "packages.aarch64-linux": error(/is a list, not a set/u),
      "packages.riscv64-linux": error(/is a function, not a set/u),
      "packages.i686-linux": error(/is a derivation, not a set of them/u),
    },
  },
  {
    name: "attributes that are null, true, a list, a string, a path, a lambda, a float",
    outputs: `packages.x86_64-linux = { a = null; b = true; c = [ (mk "c") ]; d = "\${mk "d"}"; e = ./flake.nix; f = x: mk "f"; g = 1.5; good = mk "good"; };`,
    expected: {
      [on("a")]: error(/is null, not a derivation/u),
      [on("b")]: error(/is a boolean, not a derivation/u),
      [on("c")]: error(/is a list, not a derivation/u),
      [on("d")]: error(/is a string, not a derivation/u),
      [on("e")]: error(/is a path, not a derivation/u),
      [on("f")]: error(/is a function, not a derivation/u),
      [on("g")]: error(/is a number, not a derivation/u),
      [on("good")]: ok,
    },
  },
  {
    name: "functors: a set that can be called, and a derivation that can",
    outputs: `packages.x86_64-linux = { a = { __functor = self: x: mk "a"; }; b = mk "b" // { __functor = self: x: throw "called"; override = x: throw "called"; }; };`,
    expected: { [on("a")]: error(/is a set, not a derivation/u), [on("b")]: ok },
  },
  {
    name: "dots, quotes, blanks, dollars and nothing as names",
    outputs: `packages.x86_64-linux = { "a.b" = mk "a"; "q\\"q" = mk "b"; "" = mk "c"; " " = mk "d"; "\\\${x}" = mk "e"; "-rf" = mk "f"; "a\\nb" = mk "g"; "\\\\" = mk "h"; "1" = mk "i"; "zażółć ❄" = mk "j"; "../../x" = mk "k"; };`,
    expected: {
      [on('"a.b"')]: ok,
      [on('"q\\"q"')]: ok,
      [on('""')]: ok,
      [on('" "')]: ok,
      [on('"\\${x}"')]: ok,
      [on('"-rf"')]: ok,
      [on('"a\\nb"')]: ok,
      [on('"\\\\"')]: ok,
      [on('"1"')]: ok,
      [on('"zażółć ❄"')]: ok,
      [on('"../../x"')]: ok,
    },
  },
  {
    name: "nested sets, with and without recurseForDerivations",
    outputs: `packages.x86_64-linux = { set = { recurseForDerivations = true; a = mk "a"; inner = { recurseForDerivations = true; b = mk "b"; }; plain = { c = mk "c"; }; }; closed = { recurseForDerivations = false; d = throw "looked at"; }; odd = { recurseForDerivations = "yes"; }; };`,
    expected: {
      [on("set.a")]: ok,
      [on("set.inner.b")]: ok,
      [on("set.plain")]: error(/recurseForDerivations = true/u),
      [on("closed")]: error(/is a set, not a derivation/u),
      [on("odd")]: error(/is a set, not a derivation/u),
    },
  },
  {
    name: "a nested set that throws in the middle, between its good members",
    outputs: `packages.x86_64-linux = { set = { recurseForDerivations = true; a = mk "a"; b = throw "in the middle"; c = mk "c"; }; z = mk "z"; bad = { recurseForDerivations = throw "the flag"; }; };`,
    expected: {
      [on("set.a")]: ok,
      [on("set.b")]: error(/in the middle/u),
      [on("set.c")]: ok,
      [on("bad")]: error(/the flag/u),
      [on("z")]: ok,
    },
  },
  {
    name: "a set that is its own member",
    outputs: `packages.x86_64-linux = { me = let x = { recurseForDerivations = true; inherit x; a = mk "a"; }; in { recurseForDerivations = true; once = x // { x = null; }; }; loop = let x = { recurseForDerivations = true; inherit x; }; in x; good = mk "good"; };`,
    expected: {
      [on("me.once.a")]: ok,
      [on("me.once.x")]: error(/is null/u),
      [on("loop.x.x.x.x.x.x")]: error(/nested deeper than/u),
      [on("good")]: ok,
    },
  },
  {
    name: "an infinite attribute set, deeper with each name",
    outputs: `packages.x86_64-linux = { deep = let more = n: { recurseForDerivations = true; "n\${toString n}" = more (n + 1); }; in more 0; good = mk "good"; };`,
    expected: { [on("deep.n0.n1.n2.n3.n4.n5")]: error(/nested deeper than/u), [on("good")]: ok },
  },
  {
    name: "infinite recursion, in an attribute and in the names of a system",
    outputs: `packages.x86_64-linux = { a = let x = x; in x; b = mk "b"; }; packages.aarch64-linux = let x = x; in x; checks.x86_64-linux.c = mk "c";`,
    expected: {
      [on("a")]: error(/infinite recursion/u),
      [on("b")]: ok,
      "packages.aarch64-linux": error(/infinite recursion/u),
      "checks.x86_64-linux.c": ok,
    },
  },
  {
    name: "a stack that overflows",
    outputs: `packages.x86_64-linux = { a = let f = x: f (x + 1) + 1; in f 1; b = mk "b"; };`,
    expected: { [on("a")]: error(/stack overflow|max-call-depth/u), [on("b")]: ok },
  },
  {
    name: "throw, assert, abort, a missing attribute, a type error, each beside good ones",
    outputs: `packages.x86_64-linux = { a = throw "thrown"; b = assert false; mk "b"; c = abort "aborted"; d = { }.nope; e = 1 + "x"; f = mk "f"; g = mk (throw "in the name"); };`,
    expected: {
      [on("a")]: error(/thrown/u),
      [on("b")]: error(/assertion/u),
      [on("c")]: error(/aborted/u),
      [on("d")]: error(/nope/u),
      [on("e")]: error(/(?:cannot|expected|while)/u),
      [on("f")]: ok,
      [on("g")]: error(/in the name/u),
    },
  },
  {
    name: "one system throws, the others and the other outputs stand",
    outputs: `packages = { x86_64-linux.a = mk "a"; riscv64-linux = throw "no risc"; aarch64-linux.a = other "aarch64-linux"; }; checks.riscv64-linux.c = other "riscv64-linux";`,
    expected: {
      [on("a")]: ok,
      "packages.riscv64-linux": error(/no risc/u),
      "packages.aarch64-linux.a": "evaluated-only",
      "checks.riscv64-linux.c": "evaluated-only",
    },
  },
  {
    name: "an output kind that throws, and one that aborts",
    outputs: `packages = throw "no packages today"; checks = abort "no checks"; devShells.x86_64-linux.default = mk "d";`,
    expected: {
      packages: error(/no packages today/u),
      checks: error(/no checks/u),
      "devShells.x86_64-linux.default": ok,
    },
  },
  {
    name: "foreign and made-up systems are evaluated and listed",
    outputs: `packages.aarch64-darwin.a = other "aarch64-darwin"; packages.armv7l-linux.a = other "armv7l-linux"; packages."../x".y = mk "y"; packages.x86_64-linux.far = other "aarch64-linux"; packages.aarch64-linux.near = mk "near";`,
    expected: {
      "packages.aarch64-darwin.a": "evaluated-only",
      "packages.armv7l-linux.a": "evaluated-only",
      'packages."../x".y': ok,
      [on("far")]: "no-runner",
      "packages.aarch64-linux.near": ok,
    },
    findings: [/"\.\.\/x".*is no system/u],
  },
  {
    name: "apps: whole ones, a derivation, no program, no type, a program that is no derivation's",
    outputs: `apps.x86_64-linux = { whole = { type = "app"; program = "\${mk "p"}/bin/p"; meta.description = "d"; }; drv = mk "q"; none = { type = "app"; }; untyped = { program = "\${mk "r"}/bin/r"; }; script = { type = "app"; program = "\${self}/x.sh"; }; odd = { type = "app"; program = 1; }; extra = { type = "app"; program = mk "s"; foo = 1; }; str = "x"; };`,
    expected: {
      "apps.x86_64-linux.whole": ok,
      "apps.x86_64-linux.drv": ok,
      "apps.x86_64-linux.none": error(/it needs type and program/u),
      "apps.x86_64-linux.untyped": ok,
      "apps.x86_64-linux.odd": error(/a number, not a string/u),
      "apps.x86_64-linux.extra": ok,
      "apps.x86_64-linux.str": error(/is a string, not an app/u),
    },
    findings: [
      /apps\.x86_64-linux\.untyped \(flake\.nix:3\) has no type/u,
      /apps\.x86_64-linux\.extra \(flake\.nix:3\) .*none of an app: foo/u,
    ],
  },
  {
    name: "formatter, a formatter that is a set, dev shells",
    outputs: `formatter.x86_64-linux = mk "f"; formatter.aarch64-linux = { }; devShells.x86_64-linux = { default = mk "d"; "with.dot" = mk "e"; };`,
    expected: {
      "formatter.x86_64-linux": ok,
      "formatter.aarch64-linux": error(/is a set, not a derivation/u),
      "devShells.x86_64-linux.default": ok,
      'devShells.x86_64-linux."with.dot"': ok,
    },
  },
  {
    name: "NixOS, darwin and home configurations, whole and without what makes them one",
    outputs: `nixosConfigurations = { m = { config.system.build.toplevel = mk "m"; trap = throw "touched"; }; "a.b".config.system.build.toplevel = mk "ab"; bad.config.system = { }; worse.config = throw "module error"; }; darwinConfigurations = { mac.system = other "aarch64-darwin"; no = { }; }; homeConfigurations."u@h".activationPackage = mk "h";`,
    entry: ["attributes: [nixosConfigurations, darwinConfigurations, homeConfigurations]"],
    expected: {
      "nixosConfigurations.m": ok,
      'nixosConfigurations."a.b"': ok,
      "nixosConfigurations.bad": error(/it has no build/u),
      "nixosConfigurations.worse": error(/module error/u),
      "darwinConfigurations.mac": "evaluated-only",
      "darwinConfigurations.no": error(/it has no system/u),
      'homeConfigurations."u@h"': ok,
    },
  },
  {
    name: "hydraJobs: sets in sets, each system a leaf of its own",
    outputs: `hydraJobs = { build = { x86_64-linux = mk "a"; aarch64-linux = other "aarch64-linux"; }; top = mk "t"; deep.er.and = { deeper = mk "d"; }; text = "x"; bad = throw "bad job"; };`,
    expected: {
      "hydraJobs.build.x86_64-linux": ok,
      "hydraJobs.build.aarch64-linux": "evaluated-only",
      "hydraJobs.top": ok,
      "hydraJobs.deep.er.and.deeper": ok,
      "hydraJobs.text": error(/is a string, not a derivation/u),
      "hydraJobs.bad": error(/bad job/u),
    },
  },
  {
    name: "legacyPackages: what is no derivation is passed over",
    outputs: `legacyPackages.x86_64-linux = { a = mk "a"; lib = { f = x: x; trap = throw "touched"; }; callPackage = x: x; nothing = null; set = { recurseForDerivations = true; b = mk "b"; c = 1; }; alias = throw "was renamed"; };`,
    entry: ["attributes: [legacyPackages]"],
    expected: {
      "legacyPackages.x86_64-linux.a": ok,
      "legacyPackages.x86_64-linux.set.b": ok,
      "legacyPackages.x86_64-linux.alias": error(/was renamed/u),
    },
  },
  {
    name: "outputs in which there is nothing to build, asked for by name",
    outputs: `overlays.default = final: prev: throw "called"; nixosModules.m = { ... }: throw "called"; templates.t = { path = ./.; description = "t"; }; bundlers.x86_64-linux.b = drv: throw "called"; lib.trap = throw "touched"; packages.x86_64-linux.a = mk "a";`,
    entry: ["attributes: [overlays, nixosModules, templates, bundlers, lib, packages]"],
    expected: { [on("a")]: ok },
    findings: [],
  },
  {
    name: "the singular names of before Nix 2.7",
    outputs: `defaultPackage.x86_64-linux = mk "p"; defaultApp.x86_64-linux = { type = "app"; program = "\${mk "q"}/bin/q"; }; devShell.x86_64-linux = mk "s"; overlay = final: prev: { }; nixosModule = { }; defaultTemplate = { path = ./.; description = "d"; };`,
    expected: {
      "defaultPackage.x86_64-linux": ok,
      "defaultApp.x86_64-linux": ok,
      "devShell.x86_64-linux": ok,
    },
    findings: [
      /^defaultApp .*deprecated.*apps/u,
      /^defaultPackage .*deprecated.*packages/u,
      /^defaultTemplate .*deprecated.*templates/u,
      /^devShell .*deprecated.*devShells/u,
      /^nixosModule .*deprecated.*nixosModules/u,
      /^overlay .*deprecated.*overlays/u,
    ],
  },
  {
    name: "what the linter finds, and what ends its process, harms nothing",
    outputs: `overlays = { a = { }; b = final: prev: { }; c = { final }: { }; d = throw "x"; e = abort "ended here"; }; nixosModules = { n = 1; }; templates.t = { description = "no path"; extra = 1; }; bundlers.x86_64-linux.b = 1; nonsense = throw "never looked at"; packages.x86_64-linux.a = mk "a";`,
    expected: { [on("a")]: ok },
    findings: [
      /^nonsense .*no output that is known/u,
      /^bundlers\.x86_64-linux\.b .*not a function/u,
      /^nixosModules\.n .*is a number, not a module/u,
      /^overlays\.a \(flake\.nix:3\) is a set, not a function/u,
      /^overlays\.c .*takes a set of arguments/u,
      /^overlays\.d .*throws/u,
      /^overlays\.e \(flake\.nix:3\) cannot be evaluated: .*ended here/u,
      /^templates\.t .*no path/u,
      /^templates\.t .*none of a template: extra/u,
    ],
  },
  {
    name: "nixConfig is never taken, and each setting is told",
    outputs: `packages.x86_64-linux.a = mk "a";`,
    inputs: `nixConfig = { extra-substituters = [ "https://cache.example" ]; allow-import-from-derivation = true; sandbox = false; };`,
    expected: { [on("a")]: ok },
    findings: [
      /^nixConfig\.allow-import-from-derivation \(flake\.nix:2\) was not taken: import_from_derivation: true/u,
      /^nixConfig\.extra-substituters .*the runner's operator/u,
      /^nixConfig\.sandbox .*the sandbox is the runner's/u,
    ],
  },
  {
    name: "two attributes with one derivation",
    outputs: `packages.x86_64-linux = { a = mk "same"; b = mk "same"; }; checks.x86_64-linux.c = mk "same";`,
    expected: { [on("a")]: ok, [on("b")]: ok, "checks.x86_64-linux.c": ok },
  },
  {
    name: "sets that only claim to be derivations",
    outputs: `packages.x86_64-linux = { a = { type = "derivation"; }; b = { type = "derivation"; name = "b"; system = "x86_64-linux"; drvPath = "/nix/store/00000000000000000000000000000000-b.drv"; outPath = "/x"; }; c = mk "c" // { type = "other"; }; d = mk "d" // { name = "-rf\\n"; }; e = mk "e" // { system = "nothing"; }; f = mk "f" // { outputs = [ "gone" ]; }; };`,
    expected: {
      [on("a")]: error(/is none/u),
      [on("b")]: error(/is none/u),
      [on("c")]: error(/is a set, not a derivation/u),
      [on("d")]: ok,
      [on("e")]: error(/cannot be used/u),
      [on("f")]: error(/gone/u),
    },
  },
  {
    name: "outputs, features and argument lists of odd types",
    outputs: `packages.x86_64-linux = { many = derivation { name = "many"; system = "x86_64-linux"; builder = "/bin/sh"; outputs = [ "out" "dev" ]; args = [ "-c" "echo > $out; echo > $dev" ]; }; string = (mk "s").overrideAttrs or (mk "s") // { requiredSystemFeatures = "kvm big"; }; };`,
    expected: { [on("many")]: ok, [on("string")]: ok },
  },
  {
    name: "import from derivation where it is off says which line turns it on",
    outputs: `packages.x86_64-linux = { a = import (mk "expression"); b = mk "b"; };`,
    expected: { [on("a")]: error(/import_from_derivation: true/u), [on("b")]: ok },
  },
  {
    name: "import from derivation where it is on: the build happens, and one that fails is an error",
    outputs: `packages.x86_64-linux = let nix = script: derivation { name = "made"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; }; in { a = mk (import (nix "echo '\\"from-a-build\\"' > $out")); bad = import (nix "echo no luck; exit 3"); c = mk "c"; };`,
    entry: ["import_from_derivation: true"],
    expected: { [on("a")]: ok, [on("bad")]: error(/builder (?:for .*)?failed/u), [on("c")]: ok },
  },
  {
    name: "a formatter's check: a tree that it leaves as it is",
    outputs: `formatter.x86_64-linux = fmt "for f in $1/*.txt; do :; done";`,
    entry: ["formatter_check: true"],
    expected: { "formatter.x86_64-linux": ok, "formatter-check.x86_64-linux": ok },
    files: { "a.txt": "fine\n" },
  },
  {
    name: "a formatter's check: a tree that it changes, and a formatter that is none",
    outputs: `formatter.x86_64-linux = fmt "echo formatted > $1/a.txt"; formatter.aarch64-linux = throw "no formatter";`,
    entry: ["formatter_check: true"],
    expected: {
      "formatter.x86_64-linux": ok,
      "formatter-check.x86_64-linux": "failed",
      "formatter.aarch64-linux": error(/no formatter/u),
      "formatter-check.aarch64-linux": error(/no formatter/u),
    },
    files: { "a.txt": "not fine\n" },
  },
  {
    name: "a flake in a folder, with lazy self and a declared path below an output",
    outputs: `packages.x86_64-linux = { a = mk "a"; b = throw "not asked for"; };`,
    entry: [`attributes: ["packages.x86_64-linux.a", "checks.x86_64-linux.gone", "tests.one"]`],
    expected: {
      [on("a")]: ok,
      "checks.x86_64-linux.gone": "not-covered",
      "tests.one": "not-covered",
    },
  },
  {
    name: "outputs that are no set",
    outputs: "= { self }: [ ]",
    expected: { ".": error(/\ba list/u) },
  },
  {
    name: "outputs that need an argument that is no input",
    outputs: "= { self, nixpkgs }: { }",
    expected: { ".": error(/nixpkgs/u) },
  },
];

/** The tree of one shape. Three lines down stand the outputs. */
export function shapeFiles(shape: Shape): Record<string, string> {
  const outputs = shape.outputs.startsWith("=")
    ? shape.outputs.slice(1)
    : `{ self }: let shape = ${JSON.stringify(shape.name)}; mk = name: derivation { inherit name shape; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }; other = system: derivation { name = "other"; inherit system; builder = "/bin/sh"; }; fmt = script: derivation { name = "fmt"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "mkdir -p $out/bin; echo \\"#!/bin/sh\\" > $out/bin/fmt; printf '%s\\\\n' \\"$script\\" >> $out/bin/fmt; chmod +x $out/bin/fmt" ]; inherit script; }; in {\n${shape.outputs} }`;
  return {
    "flake.nix": `{\n${shape.inputs ?? ""} outputs = ${outputs};\n}\n`,
    ...(shape.entry === undefined
      ? {}
      : {
          ".github/snowcat.yml": `evaluate:\n  - flake: .\n${shape.entry.map((line) => `    ${line}\n`).join("")}`,
        }),
    ...shape.files,
  };
}
