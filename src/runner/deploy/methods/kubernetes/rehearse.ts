import type { DeployWork, MachineOutcome } from "../../../../protocol/machine.ts";
import type { ToolEnd } from "../method.ts";
import { type Furnished, untouched } from "./cluster.ts";
import type { Gate, Traffic } from "./gate.ts";
import type { Mode } from "./judge.ts";
import { judgeKeys } from "./keys.ts";
import { argumentsOf, buildProgram, type Program, programOf } from "./program.ts";
import type { ClusterRecord } from "./record.ts";
import { faultsOf, named, prunedBy } from "./traffic.ts";

/** What a dry run has shown of a program. */
export interface Rehearsal {
  readonly program: Program;
  readonly dry: Traffic;
  /** What it may delete, by the dry run and by permission. */
  readonly mayDelete: ReadonlySet<string>;
}
type Rehearsed =
  | { kind: "ended"; outcome: MachineOutcome }
  | { kind: "ready"; rehearsal: Rehearsal };

/** Everything before something is applied: keys, the program itself, and a run of it that can change nothing. */
export async function rehearse(
  parts: Furnished,
  gate: Gate,
  record: ClusterRecord,
): Promise<Rehearsed> {
  const { work, tool, place, cluster, say } = parts;
  const running = record.system;
  const ended = (outcome: MachineOutcome): Rehearsed => ({ kind: "ended", outcome });
  await parts.step("check");
  const recorded = work.source === null ? recordedProgram(work, record) : null;
  if (recorded?.kind === "none") return ended(untouched("check", recorded.why, running));
  if (tool.keys !== null && recorded === null) {
    const why = await judgeKeys(place, tool.keys);
    if (why !== null) return ended(untouched("check", why, running));
  }
  await parts.step("build");
  const { copySeconds, activationSeconds } = work.limits;
  const built =
    recorded === null
      ? await buildProgram(place, tool.entry, copySeconds)
      : await programOf(place, recorded.system, copySeconds);
  if (built.kind === "missing")
    return ended({ kind: "not-prepared", missing: [built.why], running });
  if (built.kind === "failed") return ended(untouched("build", built.why, running));
  const { program } = built;
  const { action } = work;
  if (action.kind === "generation" && action.system !== null && action.system !== program.system)
    return ended(untouched("build", `it is ${program.system}, and not ${action.system}`, running));
  say(`deployment program: ${program.system}`);

  await parts.step("dry-activate");
  const asked = tool.prune;
  if (asked && !cluster.prune)
    return ended({
      kind: "held",
      why: "the deploy runner's own policy: deploys of this cluster may not prune",
      running,
    });
  const mode = { kind: "dry-run", namespace: cluster.namespace } as const;
  const { end, traffic } = await runProgram(parts, gate, program, mode, {
    dry: true,
    prune: asked,
    timeoutSeconds: activationSeconds,
  });
  const wrong = faultsOf(end, traffic);
  if (wrong.length > 0)
    return ended(untouched("dry-activate", `${wrong.join("\n")}\n${end.log}`, running));
  if (traffic.written.size === 0 && traffic.deleted.size === 0)
    return ended(
      untouched(
        "dry-activate",
        `the dry run asked nothing of the cluster: it speaks to another one, or does nothing\n${end.log}`,
        running,
      ),
    );
  const pruned = prunedBy(traffic);
  for (const line of named("would write", [...traffic.written.keys()])) say(line);
  for (const line of named("would delete", pruned)) say(line);
  if (pruned.length > 0 && !asked)
    return ended(
      untouched(
        "dry-activate",
        `${named("it would delete", pruned).join("")}. Deleting is a permission of its own: deploy with --prune`,
        running,
      ),
    );
  const mayDelete = new Set(traffic.deleted.keys());
  return { kind: "ready", rehearsal: { program, dry: traffic, mayDelete } };
}

/** The way back without a tree: a program that was applied before, by its number or the one before. */
function recordedProgram(
  { action }: DeployWork,
  { history, system: running }: ClusterRecord,
): { kind: "program"; system: string } | { kind: "none"; why: string } {
  if (action.kind !== "generation") return { kind: "none", why: "the deploy names no tree" };
  const found =
    action.number === null
      ? history.find(({ system }) => system !== running)
      : history.find(({ number }) => number === action.number);
  const what = action.number === null ? "an earlier deploy" : `deploy number ${action.number}`;
  return found === undefined
    ? { kind: "none", why: `the cluster's record has not ${what}` }
    : { kind: "program", system: found.system };
}

/** One run of the program with a kubeconfig that leads to the gate, and holds nothing that is worth taking. */
export async function runProgram(
  { place, proxy, tool }: Furnished,
  gate: Gate,
  program: Program,
  mode: Mode,
  { dry, prune, timeoutSeconds }: { dry: boolean; prune: boolean; timeoutSeconds: number },
): Promise<{ end: ToolEnd; traffic: Traffic }> {
  const kubeconfig = `${place.scratch}/kubeconfig`;
  await place.write(kubeconfig, kubeconfigFor(gate.server, proxy));
  gate.open(mode);
  try {
    const end = await place.run(
      [program.file, ...argumentsOf(program, tool.arguments, { dry, prune })],
      { cwd: place.tree, env: { KUBECONFIG: kubeconfig }, timeoutSeconds },
    );
    return { end, traffic: gate.shut() };
  } catch (cause) {
    gate.shut();
    throw cause;
  }
}

/** One cluster, one context: whatever the program thinks of as the current one is this. */
function kubeconfigFor(server: string, proxy: string | null): string {
  // In so many words: Go's clients leave HTTP_PROXY alone for an address of the loopback.
  const cluster = proxy === null ? { server } : { server, "proxy-url": proxy };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "snowcat",
    clusters: [{ name: "snowcat", cluster }],
    contexts: [{ name: "snowcat", context: { cluster: "snowcat", user: "snowcat" } }],
    users: [{ name: "snowcat", user: {} }],
  });
}
