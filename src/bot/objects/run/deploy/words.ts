import type { DeployStep, Observation } from "../../../../protocol/machine.ts";
import { type MachineContract, objectName, type Refused } from "../../contracts.ts";
import { type Context, header } from "../context.ts";
import type { Header } from "../rows.ts";
import { machineOf, Targets } from "./targets.ts";

/**
 * What a machine's object is told and nobody waits for; the rest is asked of it by `roll`. `refused` is for the account's audit
 * log, and names no machine.
 */
type Word =
  | { kind: "refused"; refused: Refused }
  | { kind: "heard"; key: string; counter: number; step: DeployStep }
  | { kind: "observed"; observation: Observation; since: number }
  /** Words of earlier releases do not say why. */
  | { kind: "unreachable"; why?: string };

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

/** What a runner said and does not count; once, while it is not told yet. */
export function sayRefused({ store, tasks, now }: Context, refused: Refused): void {
  const word = JSON.stringify({ kind: "refused", refused } satisfies Word);
  store.sql.exec(
    "INSERT INTO word (machine, word) SELECT '', ?1 WHERE NOT EXISTS (SELECT 1 FROM word WHERE word = ?1)",
    word,
  );
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
      // Written by `say` and `sayRefused`.
      const parsed = JSON.parse(word) as Word;
      if (parsed.kind === "refused") await tellRefused(context, run, parsed.refused);
      else {
        const target = targets.one(machine);
        if (target !== null) await tell(context, run, target.hostKey, parsed);
      }
      store.sql.exec("DELETE FROM word WHERE id = ?", id);
    }
  }
}

async function tellRefused({ env }: Context, run: Header, refused: Refused): Promise<void> {
  const { host, account } = run.identity;
  await env.FLEET.getByName(objectName.fleet(host, account.id)).refused(account.id, refused);
}

async function tell(
  context: Context,
  run: Header,
  hostKey: string,
  word: Exclude<Word, { kind: "refused" }>,
): Promise<void> {
  const object = machineObject(context, run, hostKey);
  const of = machineOf(run, hostKey);
  switch (word.kind) {
    case "heard":
      return await object.heard(of, word.key, word.counter, word.step);
    case "observed":
      return await object.observed(of, word.observation, word.since);
    case "unreachable":
      return await object.unreachable(of, word.why ?? "nothing was said");
  }
}
