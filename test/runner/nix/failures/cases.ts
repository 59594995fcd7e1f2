import type { Kind, Reading } from "./recording.ts";

/** A failure that is made on each version of Nix, to record what it says. */
export interface FailureCase {
  readonly reading: Reading;
  readonly expected: Kind;
  /** Nix text of a set of derivations (`mk` and `port` are there); the case is about `subject`, and all are built. */
  readonly drvs?: string;
  /** Files of a flake; its attribute `x` is evaluated, or its inputs are read. `PORT` is the server's. */
  readonly flake?: Readonly<Record<string, string>>;
  readonly limits?: { readonly buildSeconds: number; readonly silentSeconds: number };
  /** Lines of nix.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly only?: "daemon" | "direct";
  readonly fixedOutput?: boolean;
  readonly memoryRanOut?: boolean;
  /** Further arguments of the program. */
  readonly options?: readonly string[];
  /** Something that happens to it: when it prints its first line, or before. */
  readonly meanwhile?:
    | "builder-killed"
    | "daemon-killed"
    | "no-daemon"
    | "unknown-store"
    | "corrupt-store"
    | "full-store"
    | "built-before";
}

const build = (expected: Kind, subject: string, more: Partial<FailureCase> = {}): FailureCase => ({
  reading: "build",
  expected,
  drvs: `{ subject = ${subject}; }`,
  ...more,
});
const fixed = (expected: Kind, subject: string, more: Partial<FailureCase> = {}): FailureCase =>
  build(expected, subject, { fixedOutput: true, ...more });
const fetched = (path: string, host = "127.0.0.1:${port}"): string =>
  `derivation { name = "fetched"; system = "builtin"; builder = "builtin:fetchurl"; url = "http://${host}/${path}"; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${"0".repeat(52)}"; }`;
const output = (hash: string, more = ""): string =>
  `{ outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${hash}"; ${more} }`;

const SRI = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const SANDBOXLESS = { settings: { sandbox: "false" }, only: "direct" } as const;

const builds: Readonly<Record<string, FailureCase>> = {
  "exit-code": build("failed", `mk "bad" "exit 3" {}`),
  "exit-code-after-output": build("failed", `mk "bad" "echo one; echo two; exit 1" {}`),
  "exit-code-127": build("failed", `mk "bad" "no-such-program" {}`),
  "log-looks-like-nix": build(
    "failed",
    `mk "bad" "echo \\"error: builder for '/nix/store/${"0".repeat(32)}-x.drv' failed with exit code 9\\"; echo 'error: hash mismatch in fixed-output derivation'; exit 4" {}`,
  ),
  "signal-killed": build("failed", `mk "bad" "echo here; while :; do :; done" {}`, {
    meanwhile: "builder-killed",
  }),
  "signal-segmentation-fault": build("failed", `mk "bad" "kill -SEGV $$" {}`, SANDBOXLESS),
  "signal-terminated": build("failed", `mk "bad" "kill -TERM $$" {}`, SANDBOXLESS),
  "signal-aborted": build("failed", `mk "bad" "kill -ABRT $$" {}`, SANDBOXLESS),
  "out-of-memory-killed": build("out-of-memory", `mk "bad" "echo here; while :; do :; done" {}`, {
    meanwhile: "builder-killed",
    memoryRanOut: true,
  }),
  "time-limit": build("timed-out", `mk "bad" "while :; do :; done" {}`, {
    limits: { buildSeconds: 2, silentSeconds: 60 },
  }),
  "time-limit-while-printing": build(
    "timed-out",
    `mk "bad" "while :; do echo still here; read -t 1 x < /dev/zero; done" {}`,
    { limits: { buildSeconds: 2, silentSeconds: 60 } },
  ),
  silence: build("silent", `mk "bad" "while :; do :; done" {}`, {
    limits: { buildSeconds: 60, silentSeconds: 2 },
  }),
  "silence-after-output": build("silent", `mk "bad" "echo begun; while :; do :; done" {}`, {
    limits: { buildSeconds: 60, silentSeconds: 2 },
  }),
  "hash-mismatch-sri": fixed("hash-mismatch", `mk "bad" "echo hello > $out" ${output(SRI)}`),
  "hash-mismatch-base32": fixed(
    "hash-mismatch",
    `mk "bad" "echo hello > $out" ${output("0".repeat(52))}`,
  ),
  "hash-mismatch-hex": fixed(
    "hash-mismatch",
    `mk "bad" "echo hello > $out" ${output("0".repeat(64))}`,
  ),
  "hash-mismatch-sha512": fixed(
    "hash-mismatch",
    `mk "bad" "echo hello > $out" { outputHashMode = "flat"; outputHashAlgo = "sha512"; outputHash = "${"0".repeat(128)}"; }`,
  ),
  "hash-mismatch-folder": fixed(
    "hash-mismatch",
    `mk "bad" "/bin/sh -c 'echo hello > $out'" { outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = "${SRI}"; }`,
  ),
  "hash-mismatch-of-several": {
    ...fixed("hash-mismatch", ""),
    drvs: `{ one = mk "one" "echo 1 > $out" ${output(SRI)}; subject = mk "two" "echo 2 > $out" ${output(SRI)}; }`,
  },
  "hash-mismatch-of-fetched": fixed("hash-mismatch", fetched("200")),
  "feature-missing": build(
    "no-runner",
    `mk "bad" "echo > $out" { requiredSystemFeatures = [ "warp-drive" ]; }`,
  ),
  "system-missing": build("no-runner", `mk "bad" "echo > $out" { system = "riscv64-linux"; }`),
  "not-deterministic": build(
    "failed",
    `mk "bad" "read x < /proc/sys/kernel/random/uuid; echo $x > $out" {}`,
    { meanwhile: "built-before", options: ["--check"] },
  ),
  // Its hash is right: that is looked at first.
  "fixed-output-refers-to-store": fixed(
    "failed",
    `mk "bad" "echo \${builtins.toFile "referred" "x"} > $out" { outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = "sha256-bQ1mqTff04zrgJ/q5gEsH2s4qcMA9M/lawwErMrA934="; }`,
  ),
  "fixed-output-is-folder": fixed("failed", `mk "bad" "echo > $out/x" ${output(SRI)}`),
  "reference-not-allowed": build(
    "failed",
    `mk "bad" "echo \${builtins.toFile "referred" "x"} > $out" { allowedReferences = []; }`,
  ),
  "requisite-disallowed": build(
    "failed",
    `mk "bad" "echo \${builtins.toFile "referred" "x"} > $out" { disallowedRequisites = [ (builtins.toFile "referred" "x") ]; }`,
  ),
  "output-too-large": build(
    "failed",
    `mk "bad" "echo 0123456789 > $out" { __structuredAttrs = true; outputChecks.out.maxSize = 5; PATH = "/bin"; }`,
  ),
  "no-output": build("failed", `mk "bad" "exit 0" {}`),
  "one-output-of-two": build("failed", `mk "bad" "echo > $out" { outputs = [ "out" "dev" ]; }`),
  "builder-not-there": build("failed", `mk "bad" "" { builder = "/no/such/builder"; }`),
  "builder-not-executable": build(
    "failed",
    `mk "bad" "" { builder = builtins.toFile "builder" "x"; }`,
  ),
  "log-too-long": build("failed", `mk "bad" "while :; do echo 0123456789; done" {}`, {
    settings: { "max-build-log-size": "1000" },
  }),
  "dependency-failed": {
    ...build("dependency-failed", ""),
    drvs: `rec { below = mk "below" "exit 1" {}; subject = mk "top" "echo > $out" { inherit below; }; }`,
  },
  "dependency-of-dependency-failed": {
    ...build("dependency-failed", ""),
    drvs: `rec { below = mk "below" "exit 1" {}; between = mk "between" "echo > $out" { inherit below; }; subject = mk "top" "echo > $out" { inherit between; }; }`,
  },
  "disk-full-in-builder": build(
    "out-of-disk",
    `mk "bad" "while echo 0123456789012345678901234567890123456789; do :; done > /dev/shm/x || exit 1; exit 1" {}`,
    { settings: { "sandbox-dev-shm-size": "64k" } },
  ),
  "disk-full-of-store": build(
    "out-of-disk",
    `mk "bad" "while echo 0123456789012345678901234567890123456789; do :; done > $out" {}`,
    { only: "direct", meanwhile: "full-store" },
  ),
  "daemon-not-there": build("infrastructure", `mk "bad" "echo > $out" {}`, {
    only: "daemon",
    meanwhile: "no-daemon",
  }),
  "store-unknown": build("infrastructure", `mk "bad" "echo > $out" {}`, {
    only: "daemon",
    meanwhile: "unknown-store",
  }),
  "store-corrupt": build("infrastructure", `mk "bad" "echo > $out" {}`, {
    only: "direct",
    meanwhile: "corrupt-store",
  }),
  "daemon-lost": build("infrastructure", `mk "bad" "echo here; while :; do :; done" {}`, {
    only: "daemon",
    meanwhile: "daemon-killed",
  }),
  "substitute-fails": build("infrastructure", `mk "cached" "echo cached > $out" {}`, {
    settings: { substituters: "http://127.0.0.1:PORT/cache", "require-sigs": "false" },
  }),
  "substitute-hangs-up": build("infrastructure", `mk "cached" "echo cached > $out" {}`, {
    settings: { substituters: "http://127.0.0.1:PORT/broken", "require-sigs": "false" },
  }),
  "fetch-404": fixed("failed", fetched("404")),
  "fetch-429": fixed("infrastructure", fetched("429")),
  "fetch-500": fixed("infrastructure", fetched("500")),
  "fetch-503": fixed("infrastructure", fetched("503")),
  "fetch-refused": fixed("infrastructure", fetched("x", "127.0.0.1:9"), { only: "direct" }),
  "fetch-unknown-host": fixed("infrastructure", fetched("x", "gone.invalid"), { only: "direct" }),
  "fetch-hangs-up": fixed("infrastructure", fetched("hang-up")),
};

const expression = (
  x: string,
  more: Partial<FailureCase> & { files?: Record<string, string> } = {},
): FailureCase => {
  const { files = {}, ...rest } = more;
  return {
    reading: "evaluation",
    expected: "evaluation-error",
    flake: { "flake.nix": `{\n  outputs = { self }: {\n    x = ${x};\n  };\n}\n`, ...files },
    ...rest,
  };
};
const DERIVATION = `derivation { name = "d"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo 1 > $out" ]; }`;

const evaluations: Readonly<Record<string, FailureCase>> = {
  "attribute-missing": expression("{ }.nope"),
  "output-missing": { ...expression("1"), options: ["#absent"] },
  "infinite-recursion": expression("let y = y; in y"),
  // Ten thousand calls would be ten thousand places of text; 2.8 knows no such limit, and has no places.
  "stack-overflow": expression("let f = n: 1 + f (n + 1); in f 0", {
    options: ["#x", "--option", "max-call-depth", "40"],
  }),
  "undefined-variable": expression("nowhere"),
  "syntax-error": expression("import ./broken.nix", { files: { "broken.nix": "{\n  a = ;\n}\n" } }),
  "syntax-error-in-flake": { ...expression("1"), flake: { "flake.nix": "{\n  outputs = ;\n}\n" } },
  throw: expression(`throw "no support for this system"`),
  "assertion-fails": expression("assert 1 == 2; 3"),
  abort: expression(`abort "stop"`),
  "wrong-type": expression(`"a" + 1`),
  "not-a-function": expression("1 2"),
  "argument-missing": expression("({ a }: a) { }"),
  "argument-unexpected": expression("({ a }: a) { a = 1; b = 2; }"),
  "division-by-zero": expression("1 / 0"),
  "duplicate-attribute": expression("{ a = 1; a = 2; }"),
  "invalid-name": expression(`(derivation { name = "a b"; system = "x"; builder = "y"; }).outPath`),
  "import-from-derivation": expression(`import (${DERIVATION})`),
  "file-missing": expression("import ./absent.nix"),
  "file-outside": expression("builtins.readFile /etc/passwd"),
  "impure-path": expression("<nixpkgs>"),
  "fetch-without-hash": expression(`builtins.fetchTarball "http://127.0.0.1:PORT/200"`),
  "fetched-file-differs": expression(
    `builtins.readFile (builtins.fetchurl { url = "http://127.0.0.1:PORT/200"; sha256 = "${"0".repeat(52)}"; })`,
  ),
  "fetched-tree-differs": expression(
    `builtins.fetchTarball { url = "http://127.0.0.1:PORT/tree.tar.gz"; sha256 = "${"0".repeat(52)}"; }`,
  ),
  "fetched-file-404": expression(
    `builtins.fetchurl { url = "http://127.0.0.1:PORT/404"; sha256 = "${"0".repeat(52)}"; }`,
  ),
  "fetched-file-429": expression(
    `builtins.fetchurl { url = "http://127.0.0.1:PORT/429"; sha256 = "${"0".repeat(52)}"; }`,
    { expected: "infrastructure" },
  ),
  "experimental-feature": expression(
    `builtins.fetchClosure { fromStore = "http://127.0.0.1:9"; fromPath = /nix/store/${"0".repeat(32)}-x; }`,
  ),
  "json-broken": expression(`builtins.fromJSON "{"`),
  "index-out-of-bounds": expression("builtins.elemAt [ ] 1"),
  "memory-limit": expression(
    'builtins.deepSeq (builtins.genList (n: toString n + "x") 100000000) 1',
    {
      expected: "out-of-memory",
    },
  ),
  "evaluation-without-daemon": expression(`(${DERIVATION}).outPath`, {
    expected: "infrastructure",
    meanwhile: "no-daemon",
  }),
};

const inputs = (
  input: string,
  files: Record<string, string> = {},
  more: Partial<FailureCase> = {},
): FailureCase => ({
  reading: "inputs",
  expected: "evaluation-error",
  flake: {
    "flake.nix": `{\n  inputs.other.url = "${input}";\n  outputs = { self, other }: { x = other.name; };\n}\n`,
    ...files,
  },
  ...more,
});
const lock = (locked: object, version = 7): Record<string, string> => ({
  "flake.lock": JSON.stringify({
    nodes: {
      other: { locked, original: { type: "tarball", url: "http://127.0.0.1:PORT/tree.tar.gz" } },
      root: { inputs: { other: "other" } },
    },
    root: "root",
    version,
  }),
});
const TREE = { type: "tarball", url: "http://127.0.0.1:PORT/tree.tar.gz", narHash: SRI };

const references: Readonly<Record<string, FailureCase>> = {
  "flake-missing": { ...inputs(""), flake: { "README.md": "no flake here\n" } },
  "outputs-missing": { ...inputs(""), flake: { "flake.nix": "{ }\n" } },
  "flake-attribute-unknown": {
    ...inputs(""),
    flake: { "flake.nix": "{\n  output = { self }: { };\n  outputs = { self }: { };\n}\n" },
  },
  "lock-newer": inputs("http://127.0.0.1:PORT/tree.tar.gz", lock(TREE, 99)),
  "lock-attribute-unknown": inputs(
    "http://127.0.0.1:PORT/tree.tar.gz",
    lock({ ...TREE, tomorrow: "yes" }),
  ),
  "lock-not-json": inputs("http://127.0.0.1:PORT/tree.tar.gz", { "flake.lock": "{ not json" }),
  "lock-without-hash": inputs(
    "http://127.0.0.1:PORT/tree.tar.gz",
    lock({ type: "tarball", url: TREE.url }),
  ),
  "input-differs": {
    ...inputs("http://127.0.0.1:PORT/tree.tar.gz", lock(TREE)),
    reading: "evaluation",
  },
  "input-unknown-scheme": inputs("gopher://127.0.0.1/x"),
  "input-without-address": inputs("nixpkgs"),
  "input-not-there": inputs("path:./absent"),
  "input-repository-not-there": inputs("git+file:///job/absent"),
  "input-404": inputs("http://127.0.0.1:PORT/404.tar.gz"),
  "input-429": inputs("http://127.0.0.1:PORT/429.tar.gz", {}, { expected: "infrastructure" }),
  "input-500": inputs("http://127.0.0.1:PORT/500.tar.gz", {}, { expected: "infrastructure" }),
  "input-not-an-archive": inputs("http://127.0.0.1:PORT/200.tar.gz"),
  "inputs-without-daemon": inputs(
    "path:./absent",
    {},
    {
      expected: "infrastructure",
      meanwhile: "no-daemon",
    },
  ),
};

export const CASES: Readonly<Record<string, FailureCase>> = {
  ...builds,
  ...evaluations,
  ...references,
};
