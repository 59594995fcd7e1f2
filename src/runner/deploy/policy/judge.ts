import type { DeployWork, MachineReference } from "../../../protocol/machine.ts";
import { fingerprint } from "./host-key.ts";
import type { DeployPolicy, Kind, PolicyCluster, PolicyMachine } from "./policy.ts";
import { describeWindows, isOpen } from "./window.ts";

/** The repository that speaks. */
export type Speaker = { host: string; repository: number };

export type Judged =
  | { kind: "allowed"; name: string; machine: PolicyMachine }
  | { kind: "cluster"; name: string; cluster: PolicyCluster }
  | { kind: "refused"; why: string };

/** Whether this runner may look at the machine for that repository. */
export function judgeObservation(
  policy: DeployPolicy,
  speaker: Speaker,
  machine: MachineReference,
): Judged {
  return judgeKind(policy, speaker, machine, "observe");
}

/**
 * The last word about a deploy, whoever signed it: machine, repository, what is done, ref, method, builder, commands, and
 * the window, in this order.
 * @param now Unix time (ms).
 */
export function judgeDeploy(
  policy: DeployPolicy,
  speaker: Speaker,
  work: DeployWork,
  now: number,
): Judged {
  const kind = kindOf(work);
  const judged = judgeKind(policy, speaker, work.machine, kind);
  if (judged.kind === "refused") return judged;
  const allowed = judged.kind === "cluster" ? { ...judged.cluster, ...CLUSTERS } : judged.machine;
  const refs = entryOf(allowed, speaker, work.machine.name)?.refs ?? [];
  if (!matchesRef(refs, work.ref))
    return refuse(`commits of ${work.ref} may not be deployed to it`);
  // A generation of the machine's own is gone back to by Snowcat, whatever tool brought it; `kinds` says whether at all.
  const ownWayBack =
    judged.kind === "allowed" && work.method === "plain" && work.action.kind === "generation";
  if (!ownWayBack && !allowed.methods.includes(work.method))
    return refuse(`it may not be changed by ${work.method}, only by ${allowed.methods.join(", ")}`);
  if (work.action.kind === "system") {
    const { builder } = work.action.manifest;
    if (!policy.builders.some(({ key }) => key === builder))
      return refuse("the manifest is signed by a builder that is not listed");
  }
  const command = commandsOf(work).find((argv) => !isListed(allowed, argv));
  if (command !== undefined)
    return refuse(`the command ${JSON.stringify(command)} is not listed for it`);
  if (kind === "deploy" && allowed.windows !== null && !isOpen(allowed.windows, now))
    return refuse(`deploys to it begin ${describeWindows(allowed.windows)}`);
  return judged;
}

/** Whether what an earlier life of the runner began may be seen to its end: the machine, for that repository. */
export function judgeEnding(policy: DeployPolicy, speaker: Speaker, work: DeployWork): Judged {
  return judgeKind(policy, speaker, work.machine, kindOf(work));
}

/** True where one of the patterns is the ref, or ends with `*` and begins it. */
export function matchesRef(patterns: readonly string[], ref: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith("*") ? ref.startsWith(pattern.slice(0, -1)) : ref === pattern,
  );
}

/** A cluster has no shell for commands, and one way of changing it. */
const CLUSTERS: Pick<PolicyMachine, "methods" | "commands"> = {
  methods: ["kubernetes"],
  commands: [],
};

function judgeKind(
  { machines, clusters = {} }: DeployPolicy,
  speaker: Speaker,
  reference: MachineReference,
  kind: Kind,
): Judged {
  const found = Object.entries(machines).find(
    ([, { hostKey }]) => fingerprint(hostKey) === reference.hostKey,
  );
  const cluster = Object.entries(clusters).find(
    ([, { authority }]) => authority === reference.hostKey,
  );
  // The same words for a machine that is not there and for another repository's: neither is told which it is.
  const listed = found?.[1] ?? cluster?.[1];
  const entry = listed === undefined ? undefined : entryOf(listed, speaker, reference.name);
  if (entry === undefined)
    return refuse(`it names no machine ${reference.name} with that host key for this repository`);
  if (!entry.kinds.includes(kind))
    return refuse(`${kind} is not among what the repository may do to it`);
  if (found !== undefined) return { kind: "allowed", name: found[0], machine: found[1] };
  if (cluster !== undefined) return { kind: "cluster", name: cluster[0], cluster: cluster[1] };
  throw new Error("an entry of neither a machine nor a cluster");
}

const kindOf = ({ action }: DeployWork): Kind =>
  action.kind === "generation" ? "rollback" : "deploy";

function entryOf(
  machine: Pick<PolicyMachine, "repositories">,
  { host, repository }: Speaker,
  name: string,
) {
  return machine.repositories.find(
    (entry) => entry.host === host && entry.id === repository && entry.machine === name,
  );
}

/** What the specification asks to be run in so many words: on the machine, or with the way to it. */
function commandsOf({ backup, health, tool }: DeployWork): (readonly string[])[] {
  const checks = health.flatMap((check) => (check.kind === "command" ? [check.argv] : []));
  const script = tool?.kind === "script" ? [tool.argv] : [];
  return [...(backup === null ? [] : [backup]), ...checks, ...script];
}

function isListed({ commands }: Pick<PolicyMachine, "commands">, argv: readonly string[]): boolean {
  return commands.some(
    (listed) => listed.length === argv.length && listed.every((word, at) => word === argv[at]),
  );
}

const refuse = (why: string): Judged => ({
  kind: "refused",
  why: `the deploy runner's own policy: ${why}`,
});
