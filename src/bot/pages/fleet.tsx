import { duration, plain } from "../../core/report/index.ts";
import type { FleetMachine, FleetView } from "../objects/contracts.ts";
import { Layout } from "./layout.tsx";

export type FleetPageProps = { fleet: FleetView; now: number; banner: string | undefined };

/** The machines of a repository: what runs there, who keeps them, and what drifts. */
export function FleetPage({ fleet, now, banner }: FleetPageProps) {
  const { id, owner, name, defaultBranch } = fleet.identity.repository;
  const drifting = fleet.machines.filter(({ drift }) => drift.length > 0).length;
  return (
    <Layout title={`${owner}/${name}: machines`} banner={banner}>
      <h1>
        {owner}/{name}: machines
      </h1>
      <p>
        {fleet.machines.length} {fleet.machines.length === 1 ? "machine" : "machines"},{" "}
        <span class={drifting === 0 ? "good" : "warn"}>
          {drifting === 0 ? "none drifts" : `${drifting} not what the default branch says`}
        </span>
        . {plain(defaultBranch)}: <code>{fleet.head ?? "not known"}</code>
      </p>
      <table>
        <tr>
          <th>machine</th>
          <th>runs</th>
          <th>seen</th>
          <th>now</th>
          <th>kept</th>
          <th>last deploy</th>
          <th>drift</th>
        </tr>
        {fleet.machines.map((machine) => (
          <tr>
            <td>
              <a href={machinePath(id, machine.name)}>{machine.name}</a>
              {machine.online ? null : <span class="warn"> no runner is here</span>}
            </td>
            <td>
              <System path={machine.view?.observation?.system ?? null} />
            </td>
            <td>{seen(machine, now)}</td>
            <td>{doing(machine)}</td>
            <td>{(machine.view?.keeps ?? []).map(({ kind }) => kind).join(", ")}</td>
            <td>{lastOf(machine)}</td>
            <td class={machine.drift.length === 0 ? "" : "warn"}>
              {machine.drift.map(({ kind }) => kind).join(", ")}
            </td>
          </tr>
        ))}
      </table>
    </Layout>
  );
}

export function machinePath(repository: number, machine: string): string {
  return `/fleet/${repository}/${encodeURIComponent(machine)}`;
}

export function System({ path }: { path: string | null }) {
  return <code title={path ?? ""}>{path === null ? "not known" : plain(nameOf(path))}</code>;
}

/** Without the store and all but the beginning of the hash. */
function nameOf(path: string): string {
  const name = path.replace(/^\/nix\/store\//u, "");
  return `${name.slice(0, 8)}…${name.slice(32)}`;
}

export function seen({ view }: FleetMachine, now: number): string {
  const { observation = null, unreachable = null } = view ?? {};
  const last =
    observation === null ? "never" : `${duration(Math.max(0, now - observation.at) / 1_000)} ago`;
  return unreachable === null ? last : `${last}; does not answer`;
}

function doing({ view }: FleetMachine): string {
  const open = view?.open ?? [];
  return open
    .map(({ state, step, counter }) =>
      [state, counter === null ? "" : `deploy ${counter}`, step === null ? "" : `at ${step}`]
        .filter((word) => word !== "")
        .join(" "),
    )
    .join("; ");
}

function lastOf({ view }: FleetMachine): string {
  const last = view?.history.find(({ outcome }) => outcome !== null);
  return last?.outcome == null ? "" : `${last.counter ?? ""} ${last.outcome.kind}`.trim();
}
