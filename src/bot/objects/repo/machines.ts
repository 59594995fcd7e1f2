import type { CommandName, KnownTarget, MachineLock } from "../../../core/command/command.ts";
import { argumentsOf } from "../../../core/command/grammar.ts";
import { declarationOf } from "../../../core/command/registry.ts";
import { wordOf } from "../../../core/deploy/index.ts";
import type { RepositoryIdentity } from "../../../core/repo/request.ts";
import type { CommandRow } from "../../../core/repo/rows.ts";
import { code } from "../../../core/report/index.ts";
import type { Environment } from "../../environment.ts";
import {
  type FleetContract,
  type MachineContract,
  type MachineOf,
  type MachineView,
  objectName,
} from "../contracts.ts";

/** Commands that are about machines. */
const ABOUT: ReadonlySet<CommandName> = new Set([
  "plan",
  "deploy",
  "rollback",
  "confirm",
  "lock",
  "unlock",
  "hold",
  "status",
]);
/** Machines of a repository that are asked how they are. */
const MOST = 100;

/** What a repository's commands learn of its machines, and tell them. */
export function machinesFor(env: Environment, identity: RepositoryIdentity) {
  const { host, account, repository } = identity;
  const object = (hostKey: string): MachineContract =>
    env.MACHINE.getByName(objectName.machine(host, account.id, hostKey));
  const of = (hostKey: string): MachineOf => ({
    host,
    account: account.id,
    repository: repository.id,
    hostKey,
  });

  return {
    /** Those that the account's runners name, and who keeps them. */
    async known({
      command,
    }: CommandRow): Promise<{ machines?: KnownTarget[]; locks?: MachineLock[] }> {
      if (command === null || !ABOUT.has(command.name)) return {};
      const fleet: FleetContract = env.FLEET.getByName(objectName.fleet(host, account.id));
      const named = (await fleet.machines(account.id, repository.id)).slice(0, MOST);
      const views = await Promise.all(
        named.map(({ hostKey }) => object(hostKey).view(of(hostKey))),
      );
      return {
        machines: named.map(({ name, hostKey, online }, at) => ({
          name,
          hostKey,
          word: word(views[at] ?? null, online),
        })),
        locks: named.flatMap(({ name }, at) => locksOf(name, views[at] ?? null, repository.id)),
      };
    },

    /** Lets go of what is locked for a pull request that is over. False: something of it is unresolved somewhere. */
    async free(pull: number): Promise<boolean> {
      const fleet: FleetContract = env.FLEET.getByName(objectName.fleet(host, account.id));
      const keys = (await fleet.machines(account.id, repository.id)).map(({ hostKey }) => hostKey);
      const freed = await Promise.all(
        [...new Set(keys)].map((hostKey) => object(hostKey).free(of(hostKey), pull)),
      );
      return freed.every((one) => one);
    },

    /** Null: it took it. Else why it did not, as Markdown. Missing for what asks no machine. */
    async tell(
      { command, pull, by }: CommandRow,
      known: readonly KnownTarget[],
    ): Promise<string | null | undefined> {
      if (command === null) return undefined;
      const { name } = command;
      if (name !== "lock" && name !== "unlock" && name !== "hold") return undefined;
      const { values } = argumentsOf(declarationOf(name), command.arguments);
      const [machine, ...words] = values;
      const keys = new Set(known.filter((one) => one.name === machine).map((one) => one.hostKey));
      const [hostKey] = keys;
      // Not known: what is said of that is said where the command acts.
      if (hostKey === undefined) return null;
      if (keys.size > 1)
        return "Several deploy runners name it with different host keys: their operators must set that right.";
      if (name === "unlock")
        return (await object(hostKey).unlock(of(hostKey), by.login))?.why ?? null;
      const owner = { repository: repository.id, pull, by: by.login };
      const reason = words.length === 0 ? null : words.join(" ");
      const refusal = await object(hostKey).keep(of(hostKey), {
        kind: name,
        owner,
        reason,
        run: null,
      });
      return refusal?.why ?? null;
    },
  };
}

function locksOf(name: string, view: MachineView | null, repository: number): MachineLock[] {
  if (view === null) return [];
  return [
    ...view.keeps.map(({ kind, owner, reason }) => ({
      machine: name,
      by: owner.by,
      pull: kind === "hold" ? null : (owner.pull ?? 0),
      reason,
      foreign: owner.repository !== repository,
    })),
    // Nobody knows how it ended: until the machine was seen, it is as held.
    ...view.open
      .filter(({ state }) => state === "lost")
      .map(({ owner, counter }) => ({
        machine: name,
        by: owner.by,
        pull: null,
        reason: `deploy ${counter ?? ""} was lost there, and the machine was not seen since`,
      })),
  ];
}

function word(view: MachineView | null, online: boolean): string {
  const parts: string[] = [];
  const [going] = view?.open ?? [];
  const [last] = view?.history.filter(({ outcome }) => outcome !== null) ?? [];
  const { observation = null } = view ?? {};
  if (observation === null) parts.push("never seen");
  else
    parts.push(
      `runs ${observation.system === null ? "what could not be read" : code(observation.system)}, seen ${new Date(observation.at).toISOString().slice(0, 16)}Z`,
    );
  if (going !== undefined)
    parts.push(
      `deploy ${going.counter ?? ""} is ${going.state}${going.step === null ? "" : ` at ${going.step}`}`,
    );
  if (last?.outcome != null)
    parts.push(
      `deploy ${last.counter ?? ""} of ${code(last.sha.slice(0, 10))}: ${wordOf(last.outcome.kind)}`,
    );
  if (!online) parts.push("no runner that may change it is here");
  return parts.join("; ");
}
