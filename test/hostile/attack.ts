import type { VerdictKind } from "../../src/protocol/verdict.ts";

/**
 * What a test plants, and what must be found nowhere afterwards: not in an attribute, a log, a message, an output or a
 * name. Make new values for each run.
 */
export interface Canaries {
  /**
   * Another for each tree, letters and digits: it makes the tree's derivations new, so that nothing is found in the store
   * that an earlier tree left there.
   */
  readonly nonce: string;
  /** System of the runner's own builds, such as `x86_64-linux`. */
  readonly system: string;
  /** Text inside every planted file. Wherever it turns up, something was read. Letters, digits and `-` only. */
  readonly secret: string;
  /** Text that an attack puts together when it sees what it should not. Letters, digits and `-` only. */
  readonly visible: string;
  /** The agent's key: a file that holds `secret`. */
  readonly key: string;
  /** A folder of another job; it holds a file `key` with `secret`. */
  readonly otherJob: string;
  /** A git repository on the host whose only commit holds a file `key` with `secret`. */
  readonly repository: { readonly path: string; readonly commit: string };
  /** A process of the host, the agent for example. */
  readonly process: number;
  /** A listening Unix socket in the place of Docker's. */
  readonly dockerSocket: string;
  /** A store path of another account, added by `nix-store --add-fixed sha256`: a file that holds `secret`; it may be in another store. */
  readonly storePath: string;
  /** Port of an HTTP server on the host's loopback that answers every path with `secret`, and counts. */
  readonly port: number;
  /** A folder that everybody may write to. A file in it afterwards means that a program ran on the host. */
  readonly dropbox: string;
  /** Name of a variable in the agent's and the daemon's environment; its value is `secret`. */
  readonly variable: string;
}

/** How a job has to end. In all of them nothing of the canaries is seen and the server is not asked. */
export type Expectation =
  /** Any verdict will do. */
  | { readonly kind: "contained" }
  /** No attribute succeeds. */
  | { readonly kind: "refused" }
  /** There is nothing to build: the evaluation as a whole ends in an error that names the cause. */
  | { readonly kind: "evaluation-fails"; readonly says?: RegExp }
  /** Each named attribute ends in one of these, and there are no others. Names as `attributeName` spells them. */
  | {
      readonly kind: "attributes";
      readonly verdicts: Readonly<Record<string, readonly VerdictKind[]>>;
    };

export interface Attack {
  /** Unique; words joined by `-`. */
  readonly name: string;
  /** What it tries, as one sentence for people. */
  readonly tries: string;
  /** How it is evaluated. */
  readonly entry:
    | { readonly kind: "flake" }
    | { readonly kind: "file"; readonly file: string; readonly attributes: readonly string[] };
  /**
   * What plain Nix, as root, without a sandbox, daemon or isolation, does with it. `leaks`: the canary is seen or the
   * server is asked, which shows that the attack is able to. `holds`: Nix itself prevents it. `depends`: on its version
   * or on the host. `costly`: not to be tried without limits.
   */
  readonly plainNix: "leaks" | "holds" | "depends" | "costly";
  readonly expect: Expectation;
  tree(canaries: Canaries): Tree;
}

/** A tree of files; keys are paths relative to its root. */
export type Tree = Readonly<Record<string, Entry>>;
export type Entry =
  | string
  | Uint8Array
  /** A symbolic link. */
  | { readonly link: string }
  /** A submodule at a commit. */
  | { readonly gitlink: string }
  | { readonly executable: string };

/** A Nix string literal that evaluates to exactly `text`. */
export function nixString(text: string): string {
  return `"${text
    .replace(/[\\"]|\$(?=\{)/gu, (c) => `\\${c}`)
    .replace(/\n/gu, "\\n")
    .replace(/\r/gu, "\\r")
    .replace(/\t/gu, "\\t")}"`;
}

/** A Nix expression for `text` in which `text` itself does not stand, so that a quoted source line shows nothing. */
export function nixHidden(text: string): string {
  const middle = Math.floor(text.length / 2);
  return `(${nixString(text.slice(0, middle))} + ${nixString(text.slice(middle))})`;
}

/** A derivation that prints `loot`, a Nix expression, and keeps it. */
export function show(canaries: Canaries, loot: string): string {
  return build(canaries, 'echo "$loot"; echo "$loot" > $out', `loot = ${loot};`);
}

/** Name of a tree's derivations, as a Nix string. */
export function lootName({ nonce }: Canaries): string {
  return nixString(`loot-${nonce}`);
}

/** A derivation of one shell script. */
export function build(canaries: Canaries, script: string, more = ""): string {
  return `derivation { name = ${lootName(canaries)}; system = ${nixString(canaries.system)}; builder = "/bin/sh"; PATH = "/bin:/usr/bin"; args = [ "-c" ${nixString(script)} ]; ${more} }`;
}

/** A flake whose only output is `packages.<system>.loot`. `head` is what stands before the outputs. */
export function flake(canaries: Canaries, loot: string, head = ""): Tree {
  return {
    "flake.nix": `{\n  ${head}\n  outputs = inputs: {\n    packages.${canaries.system}.loot =\n      ${loot};\n  };\n}\n`,
  };
}

/** A default.nix whose only attribute is `loot`. */
export function file(loot: string): Tree {
  return { "default.nix": `{\n  loot =\n    ${loot};\n}\n` };
}

export const FLAKE = { kind: "flake" } as const;
export const FILE = { kind: "file", file: "default.nix", attributes: ["loot"] } as const;
