import { expect } from "vitest";
import type { AttributeResult } from "../../../src/protocol/attribute.ts";
import type { BuildOptions } from "../../../src/runner/nix/build/index.ts";
import { build } from "../../../src/runner/nix/build/index.ts";
import type { RunMemory } from "../../../src/runner/nix/build/failure.ts";
import { runMemory } from "../../../src/runner/nix/build/failure.ts";
import type { Workspace } from "../../../src/runner/nix/launch.ts";
import { lineSplitter } from "../../../src/runner/nix/log/lines.ts";
import type { NixForTest } from "./support.ts";

/** Instantiates and gives name → derivation. */
export async function instantiateIn(
  nix: Pick<NixForTest, "workspace">,
  set: string,
): Promise<Map<string, string>> {
  const expression = `let mk = name: script: deps: derivation { inherit name deps; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; };
    in builtins.mapAttrs (name: d: d.drvPath) (${set})`;
  const result = await nix.workspace.launch({
    argv: ["nix", "eval", "--json", "--impure", "--expr", expression],
    network: "none",
  });
  expect(new TextDecoder().decode(result.stderr) + result.exitCode).toMatch(/0$/u);
  return new Map(
    Object.entries(JSON.parse(new TextDecoder().decode(result.stdout)) as Record<string, string>),
  );
}

export interface Outcome {
  readonly verdicts: Map<string, AttributeResult>;
  readonly logs: Map<string, string>;
}

export async function buildAllIn(
  nix: Pick<NixForTest, "workspace" | "facts">,
  drvs: ReadonlyMap<string, string>,
  more: {
    memory?: RunMemory;
    limits?: { buildSeconds: number; silentSeconds: number };
    signal?: AbortSignal;
    onLog?: () => void | Promise<void>;
    /** Stands between the build and its programs. */
    through?: (workspace: Workspace) => Workspace;
    slots?: number;
    oomKills?: BuildOptions["oomKills"];
    clock?: BuildOptions["clock"];
    now?: () => number;
  } = {},
): Promise<Outcome> {
  const verdicts = new Map<string, AttributeResult>();
  const logs = new Map<string, string>();
  const {
    through = (workspace) => workspace,
    slots,
    oomKills,
    clock,
    now = () => performance.now(),
  } = more;
  await build({
    workspace: through(nix.workspace),
    facts: nix.facts,
    ...(slots === undefined ? {} : { slots }),
    ...(oomKills === undefined ? {} : { oomKills }),
    ...(clock === undefined ? {} : { clock }),
    limits: more.limits ?? { buildSeconds: 60, silentSeconds: 60 },
    memory: more.memory ?? runMemory(),
    goals: [...drvs].map(([name, drv]) => ({ selection: 0, path: [name], drv })),
    signal: more.signal ?? new AbortController().signal,
    now,
    say: () => {},
    sink: {
      async results(list) {
        for (const result of list) {
          expect(verdicts.has(result.path[0]!), "one result for each attribute").toBe(false);
          verdicts.set(result.path[0]!, result);
        }
      },
      log: (stream) => ({
        async write(bytes) {
          logs.set(stream, (logs.get(stream) ?? "") + new TextDecoder().decode(bytes));
          await more.onLog?.();
        },
        async close() {},
      }),
    },
  });
  return { verdicts, logs };
}

/** Counts the builders that Nix starts, by the derivation's name, and can leave out arguments or let a process die. */
export function counting(
  counts: Map<string, number>,
  more: { without?: readonly string[]; upon?: (name: string, stop: () => void) => void } = {},
): (workspace: Workspace) => Workspace {
  return (workspace) => ({
    ...workspace,
    launch: (request) => {
      const dies = new AbortController();
      const [program, ...args] = request.argv;
      const left = args.filter(
        (argument, index) =>
          !more.without?.includes(argument) && !more.without?.includes(args[index - 1] ?? ""),
      );
      const lines = lineSplitter((line) => {
        const name = /"text":"building '[^']{44}([^']*)\.drv'"/u.exec(line)?.[1];
        if (name === undefined) return;
        counts.set(name, (counts.get(name) ?? 0) + 1);
        more.upon?.(name, () => dies.abort());
      });
      return workspace
        .launch({
          ...request,
          argv: [program, ...left],
          signal: AbortSignal.any([dies.signal, ...(request.signal ? [request.signal] : [])]),
          onStderr: (chunk) => {
            request.onStderr?.(chunk);
            lines.push(chunk);
          },
        })
        .then((result) =>
          dies.signal.aborted ? { ...result, cancelled: false, exitCode: null } : result,
        );
    },
  });
}
