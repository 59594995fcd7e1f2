import type { DeployStep, Observation } from "../../../../protocol/machine.ts";
import { type MachineContract, objectName } from "../../contracts.ts";
import { type Context, header } from "../context.ts";
import type { Header } from "../rows.ts";
import { machineOf, Targets } from "./targets.ts";

/** What a machine's object is told and nobody waits for; the rest is asked of it by `roll`. */
export type Word =
  | { kind: "heard"; key: string; counter: number; step: DeployStep }
  | { kind: "observed"; observation: Observation; since: number }
  | { kind: "unreachable" };

/** Words in one turn. */
const MOST = 50;

export function machineObject(
  { env }: Context,
  { identity }: Header,
  hostKey: string,
): MachineContract {
  return env.MACHINE.getByName(objectName.machine(identity.host, identity.account.id, hostKey));
}

/** In the caller's transaction. */
export function say({ store, tasks, now }: Context, machine: string, word: Word): void {
  store.sql.exec("INSERT INTO word (machine, word) VALUES (?, ?)", machine, JSON.stringify(word));
  tasks.at("words", now());
}

/** Tells the machines' objects, in order; what fails is told again, and everything may be told twice. */
export async function tellMachines(context: Context): Promise<number | null> {
  const { store } = context;
  const run = header(context);
  const targets = new Targets(store);
  for (;;) {
    const rows = store.sql
      .exec<{ id: number; machine: string; word: string }>(
        "SELECT id, machine, word FROM word ORDER BY id LIMIT ?",
        MOST,
      )
      .toArray();
    if (rows.length === 0) return null;
    for (const { id, machine, word } of rows) {
      const target = targets.one(machine);
      // Written by `say`.
      if (target !== null) await tell(context, run, target.hostKey, JSON.parse(word) as Word);
      store.sql.exec("DELETE FROM word WHERE id = ?", id);
    }
  }
}

async function tell(context: Context, run: Header, hostKey: string, word: Word): Promise<void> {
  const object = machineObject(context, run, hostKey);
  const of = machineOf(run, hostKey);
  switch (word.kind) {
    case "heard":
      return await object.heard(of, word.key, word.counter, word.step);
    case "observed":
      return await object.observed(of, word.observation, word.since);
    case "unreachable":
      return await object.unreachable(of);
  }
}
