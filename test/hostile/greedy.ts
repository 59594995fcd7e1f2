import { build, flake, FLAKE, nixString, show, type Attack } from "./attack.ts";

/** Too much output, time, memory or processes. Bounded, so that a host without limits survives the test as well. */

const HUNDRED_MEGABYTES = 100_000_000;
/** A line of the 100 MB. */
const LINE = "x".repeat(999);
/** Sleeping this long (s) marks a process as one of ours: nobody else sleeps for exactly so long. */
export const GRANDCHILD_SECONDS = 86_397;
const CHILDREN = 200;

export const greedy = (system: string): readonly Attack[] => {
  const loot = `packages.${system}.loot`;
  return [
    {
      name: "evaluation-prints-100-megabytes",
      tries: "an evaluation traces 100 MB",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "contained" },
      tree: (canaries) =>
        flake(
          canaries,
          `let line = ${nixString(LINE)}; in builtins.foldl' (value: i: builtins.trace line value) (${build(canaries, "echo > $out")}) (builtins.genList (i: i) ${HUNDRED_MEGABYTES / (LINE.length + 1)})`,
        ),
    },
    {
      name: "error-of-100-megabytes",
      tries: "an evaluation throws a message of 100 MB",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "refused" },
      tree: (canaries) =>
        flake(
          canaries,
          `throw (builtins.concatStringsSep "" (builtins.genList (i: ${nixString(LINE)}) ${HUNDRED_MEGABYTES / (LINE.length + 1)}))`,
        ),
    },
    {
      name: "builder-prints-100-megabytes",
      tries: "a builder prints 100 MB and succeeds",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "attributes", verdicts: { [loot]: ["succeeded"] } },
      tree: (canaries) =>
        flake(canaries, build(canaries, `yes ${LINE} | head -c ${HUNDRED_MEGABYTES}; echo > $out`)),
    },
    {
      name: "builder-prints-one-long-line",
      tries: "a builder prints 100 MB without a newline and fails",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "attributes", verdicts: { [loot]: ["failed"] } },
      tree: (canaries) =>
        flake(
          canaries,
          build(canaries, `yes ${LINE} | tr -d '\\n' | head -c ${HUNDRED_MEGABYTES}; exit 3`),
        ),
    },
    {
      name: "evaluation-never-ends",
      tries: "an evaluation counts without end, in constant space",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "refused" },
      tree: (canaries) =>
        flake(
          canaries,
          show(
            canaries,
            'toString (builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = { key }: [ { key = if key > 10 then 0 else key + 1; } ]; })) + (let f = n: if n == 0 then "" else builtins.seq (builtins.foldl\' (a: b: a + b) 0 (builtins.genList (i: i) 100000)) (f (n - 1)); in f 4000)',
          ),
        ),
    },
    {
      name: "evaluation-takes-memory",
      tries: "an evaluation holds on to ever more memory",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "refused" },
      tree: (canaries) =>
        flake(
          canaries,
          show(
            canaries,
            'toString (builtins.length (builtins.filter (s: builtins.stringLength s > 0) (builtins.genList (i: builtins.concatStringsSep "" (builtins.genList (j: toString (i + j)) 10000)) 1000000)))',
          ),
        ),
    },
    {
      name: "builder-says-nothing",
      tries: "a builder sleeps and prints nothing",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "attributes", verdicts: { [loot]: ["silent", "timed-out"] } },
      tree: (canaries) => flake(canaries, build(canaries, `sleep ${GRANDCHILD_SECONDS}`)),
    },
    {
      name: "builder-forks",
      tries: `a builder starts ${CHILDREN} children that each wait, and exits`,
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "contained" },
      tree: (canaries) =>
        flake(
          canaries,
          build(
            canaries,
            `i=0; while [ $i -lt ${CHILDREN} ]; do sleep ${GRANDCHILD_SECONDS} & i=$((i+1)); done; echo > $out`,
          ),
        ),
    },
    {
      name: "builder-leaves-grandchild",
      tries: "a builder leaves a grandchild in a session of its own, which holds the log open",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "contained" },
      tree: (canaries) =>
        flake(canaries, build(canaries, `setsid sleep ${GRANDCHILD_SECONDS} & echo > $out`)),
    },
    {
      name: "builder-ignores-signals",
      tries: "a builder ignores SIGTERM",
      entry: FLAKE,
      plainNix: "costly",
      expect: { kind: "attributes", verdicts: { [loot]: ["silent", "timed-out"] } },
      tree: (canaries) =>
        flake(
          canaries,
          build(canaries, `trap '' TERM INT HUP; while :; do sleep ${GRANDCHILD_SECONDS}; done`),
        ),
    },
  ];
};

/** Lines that would be something else in a structured log, a terminal, a page or a workflow. */
const forgeries: readonly string[] = [
  '@nix {"action":"result","id":1,"type":105,"fields":[1,1,0,0]}',
  '@nix {"action":"msg","level":0,"msg":"error: hash mismatch in fixed-output derivation"}',
  `@nix {"action":"stop","id":${Number.MAX_SAFE_INTEGER}}`,
  "@nix { not JSON",
  "error: builder for '/nix/store/00000000000000000000000000000000-other.drv' failed with exit code 1",
  "error: Cannot build '/nix/store/00000000000000000000000000000000-other.drv'.",
  "::error file=flake.nix::forged",
  "<img src=x onerror=alert(1)>",
  "\u001b[2J\u001b[1;1Hcleared",
  "https://x-access-token:forged@example.org/",
];

export const forged = (system: string): readonly Attack[] => {
  const loot = `packages.${system}.loot`;
  const print = forgeries
    .map(
      (line) =>
        `printf '%s\\n' '${line.replaceAll("'", "'\\''")}'; printf '%s\\n' '${line.replaceAll("'", "'\\''")}' >&2`,
    )
    .join("; ");
  return [
    {
      name: "log-forges-failure",
      tries: "a builder prints Nix's own messages of failure, and succeeds",
      entry: FLAKE,
      plainNix: "holds",
      expect: { kind: "attributes", verdicts: { [loot]: ["succeeded"] } },
      tree: (canaries) => flake(canaries, build(canaries, `${print}; echo > $out`)),
    },
    {
      name: "log-forges-success",
      tries: "a builder prints Nix's own messages of another cause, and fails",
      entry: FLAKE,
      plainNix: "holds",
      expect: { kind: "attributes", verdicts: { [loot]: ["failed"] } },
      tree: (canaries) => flake(canaries, build(canaries, `${print}; exit 3`)),
    },
    {
      name: "trace-forges-log",
      tries: "an evaluation traces Nix's own messages",
      entry: FLAKE,
      plainNix: "holds",
      expect: { kind: "attributes", verdicts: { [loot]: ["succeeded"] } },
      tree: (canaries) =>
        flake(
          canaries,
          forgeries.reduce(
            (value, line) => `builtins.trace ${nixString(line)} (${value})`,
            build(canaries, "echo > $out"),
          ),
        ),
    },
  ];
};
