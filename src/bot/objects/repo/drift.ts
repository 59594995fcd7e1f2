import { driftIssue, fleetDrift, leftBehind, type TicketRow } from "../../../core/deploy/index.ts";
import type { RepositoryIdentity } from "../../../core/repo/request.ts";
import type { Environment } from "../../environment.ts";
import {
  type DesiredComment,
  type DesiredIssue,
  type FleetMachine,
  type FleetView,
  type MachineContract,
  type MachineView,
  objectName,
  type PolicySource,
  type Read,
  type WriterContract,
} from "../contracts.ts";
import type { Clock } from "./clock.ts";
import { DRIFT, namedMachines, observedEvery } from "./itself.ts";
import type { State } from "./state.ts";

/** Machines of a repository that are compared. */
const MOST = 100;

export type Comparing = {
  env: Environment;
  state: State;
  clock: Clock;
  transaction: (work: () => void) => void;
  policy: (identity: RepositoryIdentity) => Promise<Read<PolicySource>>;
};

/** The machines as their objects have them now, and how they differ from the default branch. */
export async function fleetOf(
  { env, state, clock, policy }: Comparing,
  identity: RepositoryIdentity,
): Promise<FleetView | null> {
  const named = (await namedMachines(env, identity)).slice(0, MOST);
  if (named.length === 0) return null;
  const { host, account, repository } = identity;
  const views = await Promise.all(
    named.map(async ({ hostKey }) => {
      const object: MachineContract = env.MACHINE.getByName(
        objectName.machine(host, account.id, hostKey),
      );
      const of = { host, account: account.id, repository: repository.id, hostKey };
      const view = await object.view(of);
      return view === null ? null : ownView(view, repository.id);
    }),
  );
  const ref = `refs/heads/${repository.defaultBranch}`;
  const head = state.head(ref)?.sha ?? null;
  const wanted = clock.wanted();
  const judged = judgedNow(state, wanted, ref, head);
  const every = observedEvery(await policy(identity));
  const machines = named.map((machine, at): FleetMachine => {
    const view = views[at] ?? null;
    const seen = {
      name: machine.name,
      online: machine.online,
      observation: view?.observation ?? null,
      unreachable: view?.unreachable ?? null,
      open: view?.open ?? [],
      history: view?.history ?? [],
    };
    const drift = fleetDrift({
      now: Date.now(),
      every,
      repository: repository.id,
      machines: [seen],
      wanted: judged,
      head,
      merged: (pull) => mergedOf(state, pull),
    });
    return { ...machine, view, drift, wanted: wanted.get(machine.name) ?? null };
  });
  return { identity, head, machines };
}

/** Brings the fleet's issue up to date; whoever closed a pull request that machines run is told there. */
export async function showDrift(
  comparing: Comparing,
  identity: RepositoryIdentity,
  closed: number | null,
): Promise<{ done: () => void }> {
  const { env, clock, transaction } = comparing;
  const { id, owner, name } = identity.repository;
  const repository = { id, owner, name };
  const fleet = await fleetOf(comparing, identity);
  const machines = fleet?.machines ?? [];
  const drifts = machines.flatMap(({ drift }) => drift);
  const writer: WriterContract = env.WRITER.getByName(
    objectName.writer(identity.host, identity.installation),
  );
  const left = closed === null ? null : machinesOf(machines, closed);
  const told =
    closed === null || left === null ? null : leftBehind(left, closed, fleet?.head ?? null);
  if (closed !== null && told !== null) {
    const resource = `comment:${id}:${closed}:closed:${comparing.state.pull(closed)?.head ?? ""}`;
    const comment: DesiredComment = {
      kind: "comment",
      resource,
      version: 1,
      repository,
      pull: closed,
      body: told,
    };
    await writer.say([comment]);
  }
  const url = `${env.PUBLIC_URL.replace(/\/+$/u, "")}/fleet/${id}`;
  const wanted = driftIssue(drifts, machines.length, url);
  const known = clock.issue(DRIFT);
  const text = wanted ?? {
    title: "Drift: none",
    body: `The machines are what the default branch says. [The fleet](${url})`,
  };
  const said = JSON.stringify([text.title, text.body, wanted === null]);
  // Where nothing ever drifted there is no issue.
  if ((known === null && wanted === null) || known?.said === said) return { done: () => {} };
  // Numbers grow with the time, and one that was sent is never used for another text.
  const version = Math.max((known?.version ?? 0) + 1, Date.now());
  transaction(() => clock.say(DRIFT, version, ""));
  const issue: DesiredIssue = {
    kind: "issue",
    resource: `issue:${id}:${DRIFT}`,
    version,
    repository,
    ...text,
    state: wanted === null ? "closed" : "open",
  };
  await writer.say([issue]);
  return { done: () => clock.say(DRIFT, version, said) };
}

/** Drift of the machines that run this pull request. */
function machinesOf(machines: readonly FleetMachine[], pull: number) {
  return machines.flatMap(({ view, drift }) => {
    const last = view?.history.find(({ outcome }) => outcome?.kind === "active");
    return last?.owner.pull === pull ? drift : [];
  });
}

/**
 * What the branch's newest judged commit has. While a newer one is on its way to be judged, or the newest on its way to
 * machines, nobody is told that one is behind: it may have just that already, or have it soon.
 */
function judgedNow(
  state: State,
  wanted: Map<string, { system: string; sha: string }>,
  ref: string,
  head: string | null,
): Map<string, { system: string; sha: string }> {
  const { runs } = state.slice({
    ref: null,
    pulls: {},
    runs: { keys: [`push:${ref}`], active: true },
  });
  const own = runs.filter((run) => run.state === "active" && run.head === head);
  if (own.some(({ reason }) => reason.kind === "deploy" && reason.what.kind === "deploy"))
    return new Map();
  if (!own.some(({ reason }) => reason.kind === "push")) return wanted;
  return new Map([...wanted].filter(([, { sha }]) => sha === head));
}

function mergedOf(state: State, number: number): boolean | null {
  const pull = state.pull(number);
  return pull?.state === "closed" ? pull.merged : null;
}

/** Others' deploys of a machine are told as such, without what they are about. */
function ownView(view: MachineView, repository: number): MachineView {
  const own = (ticket: TicketRow): TicketRow =>
    ticket.owner.repository === repository
      ? ticket
      : {
          ...ticket,
          key: "",
          run: "0-0",
          machine: "",
          owner: { ...ticket.owner, pull: null, by: "" },
          sha: "",
          expected: null,
        };
  return {
    ...view,
    keeps: view.keeps.map((keep) =>
      keep.owner.repository === repository
        ? keep
        : { ...keep, owner: { ...keep.owner, pull: null, by: "" }, reason: null },
    ),
    open: view.open.map(own),
    history: view.history.map(own),
  };
}
