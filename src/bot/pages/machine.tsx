import { reasonOf, type TicketRow } from "../../core/deploy/index.ts";
import { plain } from "../../core/report/index.ts";
import type { FleetMachine, FleetView } from "../objects/contracts.ts";
import type { Observation } from "../../protocol/machine.ts";
import { seen, System } from "./fleet.tsx";
import { Layout } from "./layout.tsx";

export type MachinePageProps = {
  fleet: FleetView;
  machine: FleetMachine;
  now: number;
  banner: string | undefined;
};

/** One machine: its state, who keeps it, what it said of itself, its deploys, and what drifts. */
export function MachinePage({ fleet, machine, now, banner }: MachinePageProps) {
  const { id, owner, name } = fleet.identity.repository;
  const { view, drift, wanted } = machine;
  const observation = view?.observation ?? null;
  return (
    <Layout title={`${owner}/${name}: ${machine.name}`} banner={banner}>
      <h1>
        {owner}/{name}: {machine.name}
      </h1>
      <p>
        <a href={`/fleet/${id}`}>all machines</a>
      </p>
      <dl>
        <dt>Host key</dt>
        <dd>
          <code>{machine.hostKey}</code>
        </dd>
        <dt>Runner</dt>
        <dd>
          {machine.online ? "one that may change it is here" : "none that may change it is here"}
        </dd>
        <dt>Deploy counter</dt>
        <dd>{view?.counter ?? 0}</dd>
        <dt>Runs</dt>
        <dd>
          <System path={observation?.system ?? null} />
        </dd>
        <dt>Default branch</dt>
        <dd>
          <System path={wanted?.system ?? null} />{" "}
          {wanted === null ? null : <span>of {wanted.sha.slice(0, 10)}</span>}
        </dd>
        <dt>Seen</dt>
        <dd>{seen(machine, now)}</dd>
        {view?.unreachable ? (
          <>
            <dt>Does not answer</dt>
            <dd class="warn">
              since {time(view.unreachable.since)}: {plain(view.unreachable.why)}
            </dd>
          </>
        ) : null}
      </dl>
      <h2>Drift</h2>
      {drift.length === 0 ? <p class="good">none</p> : null}
      <ul>
        {drift.map(({ why }) => (
          <li class="warn">{plain(why)}</li>
        ))}
      </ul>
      <Kept machine={machine} repository={id} />
      {observation === null ? null : <Seen observation={observation} />}
      <Deploys title="Under way" tickets={view?.open ?? []} repository={id} />
      <Deploys title="Deploys" tickets={view?.history ?? []} repository={id} />
    </Layout>
  );
}

function Kept({ machine: { view }, repository }: { machine: FleetMachine; repository: number }) {
  const keeps = view?.keeps ?? [];
  if (keeps.length === 0) return null;
  return (
    <>
      <h2>Kept</h2>
      <ul>
        {keeps.map(({ kind, owner, reason, at }) => (
          <li>
            {kind} {owner.pull === null ? "" : `for #${owner.pull} `}by {whose(owner, repository)}{" "}
            since {time(at)}
            {reason === null ? "" : `: ${plain(reason)}`}
          </li>
        ))}
      </ul>
    </>
  );
}

function Seen({ observation }: { observation: Observation }) {
  const { at, booted, profile, failedUnits, nix, boot, updaters, unfinished } = observation;
  return (
    <>
      <h2>As it said of itself</h2>
      <dl>
        <dt>At</dt>
        <dd>{time(at)}</dd>
        <dt>Booted</dt>
        <dd>
          <System path={booted} />
        </dd>
        <dt>Boots next</dt>
        <dd>
          <System path={profile?.system ?? null} />{" "}
          {profile === null ? "" : `generation ${profile.number}`}
        </dd>
        <dt>Failed units</dt>
        <dd class={failedUnits?.length ? "bad" : ""}>
          {failedUnits === null ? "not known" : plain(failedUnits.join(", ")) || "none"}
        </dd>
        <dt>Free</dt>
        <dd>
          /nix {gib(nix.freeBytes)}
          {boot === null ? "" : `, /boot ${gib(boot.freeBytes)}`}
        </dd>
        <dt>Updates itself</dt>
        <dd class={updaters.length > 0 ? "warn" : ""}>{plain(updaters.join(", ")) || "no"}</dd>
        {unfinished === null ? null : (
          <>
            <dt>Unfinished</dt>
            <dd class="warn">
              deploy {unfinished.counter} at {plain(unfinished.step)}
            </dd>
          </>
        )}
      </dl>
    </>
  );
}

type DeploysProps = { title: string; tickets: readonly TicketRow[]; repository: number };
function Deploys({ title, tickets, repository }: DeploysProps) {
  if (tickets.length === 0) return null;
  return (
    <>
      <h2>{title}</h2>
      <table>
        <tr>
          <th>counter</th>
          <th>what</th>
          <th>commit</th>
          <th>system</th>
          <th>by</th>
          <th>state</th>
          <th>since</th>
        </tr>
        {tickets.map((ticket) => (
          <Deploy ticket={ticket} repository={repository} />
        ))}
      </table>
    </>
  );
}

function Deploy({ ticket, repository }: { ticket: TicketRow; repository: number }) {
  const { counter, purpose, sha, run, system, owner, state, step, outcome, changedAt } = ticket;
  const own = owner.repository === repository;
  const why = outcome === null ? null : reasonOf(outcome);
  return (
    <tr>
      <td>{counter ?? ""}</td>
      <td>{own ? <a href={`/runs/${run}`}>{purpose}</a> : purpose}</td>
      <td>
        <code>{sha.slice(0, 10)}</code> {owner.pull === null ? "" : `#${owner.pull}`}
      </td>
      <td>
        <System path={system} />
      </td>
      <td>{whose(owner, repository)}</td>
      <td class={outcome?.kind === "active" ? "good" : outcome === null ? "" : "bad"}>
        {outcome?.kind ?? `${state}${step === null ? "" : ` at ${step}`}`}
        {own && why !== null ? <small> {plain(why)}</small> : null}
      </td>
      <td>{time(changedAt)}</td>
    </tr>
  );
}

function whose(owner: TicketRow["owner"], repository: number): string {
  return owner.repository === repository ? plain(owner.by) : "another repository";
}

function time(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/u, "Z");
}

function gib(bytes: number): string {
  return `${(bytes / 1_024 ** 3).toFixed(1)} GiB`;
}
