import { invalidPaths } from "../store/validity.ts";
import type { Unit } from "./expression.ts";
import type { GroupEnd } from "./group.ts";
import { evaluateUnits } from "./group.ts";
import type { GroupContext } from "./progress.ts";
import type { Group } from "./units.ts";

/**
 * How long a look may take (ms, and of the time that is left): as much as is lost where an evaluation turns out to be a
 * large one. Each attribute that it found gives it `each` more, because where they come fast it is soon over; it holds `most`
 * of them. The first `sample` derivations tell whether it is worth going on: where more than `new` of them are new, most
 * will have to be written. Later ones are `asked` for by so many: enough to be worth a question, and few enough that what is
 * there is told while the look goes on.
 */
const LOOK = {
  milliseconds: 1_500,
  share: 0.25,
  each: 1,
  most: 50_000,
  sample: 100,
  asked: 500,
  new: 0.5,
} as const;

/** Characters of JSON of one process's names: the kernel takes 128 KiB as one argument. */
const NAMES = 64 * 1_024;

interface Held {
  readonly path: readonly string[];
  /** Null where it must be evaluated in earnest. */
  readonly needs: readonly string[] | null;
  readonly report: () => void;
}

/**
 * Evaluates a group. Writing derivations to the store is what costs, so a short look comes first that does not: what it
 * finds and the store has already is reported, and only the rest is evaluated in earnest, by `evaluate`.
 */
export async function evaluateGroup(
  group: Group,
  context: GroupContext,
  evaluate: (units: readonly Unit[]) => Promise<GroupEnd>,
): Promise<GroupEnd> {
  const { signal, workspace } = context.evaluator;
  const held: Held[] = [];
  const enough = new AbortController();
  // The store is asked while the look goes on: a sample first, then by the hundred.
  const told = new Set<Held>();
  const asked: Promise<void>[] = [];
  let from = 0;
  const tell = (one: Held): void => {
    told.add(one);
    context.done.add(JSON.stringify(one.path));
    one.report();
  };
  const ask = async (): Promise<void> => {
    const some = held.slice(from).filter((one) => (one.needs?.length ?? 0) > 0);
    const needs = some.flatMap((one) => one.needs ?? []);
    const isSample = from === 0;
    from = held.length;
    const invalid = await invalidPaths(workspace, needs, signal);
    if (isSample && invalid.size > needs.length * LOOK.new && needs.length >= LOOK.sample / 2)
      enough.abort();
    for (const one of some) if (one.needs?.every((path) => !invalid.has(path))) tell(one);
  };
  const askNow = (): void => {
    const asking = ask();
    // Its failure is raised where it is waited for.
    asking.catch(() => {});
    asked.push(asking);
  };
  const began = context.now();
  const most = Math.max(1, Math.min(LOOK.milliseconds, context.remainingMs() * LOOK.share));
  const late = setTimeout(() => enough.abort(), most);
  const looked = await evaluateUnits(group.units, {
    ...context,
    evaluator: {
      ...context.evaluator,
      readOnly: true,
      signal: AbortSignal.any([signal, enough.signal]),
    },
    remainingMs: () => most + held.length * LOOK.each - (context.now() - began),
    processMs: context.remainingMs,
    done: new Set(),
    hold(path, needs, report) {
      clearTimeout(late);
      held.push({ path, needs, report });
      if (held.length > LOOK.most) enough.abort();
      if (held.length - from >= (from === 0 ? LOOK.sample : LOOK.asked)) askNow();
    },
  });
  clearTimeout(late);
  if (enough.signal.aborted) {
    await Promise.all(asked);
    return await evaluate(group.units);
  }
  if (looked.kind === "cancelled" || looked.kind === "infrastructure") return looked;
  if (held.length > from) askNow();
  // It throws where the store cannot be asked, or the job is over.
  await Promise.all(asked);
  if (looked.kind === "left") return await evaluate(group.units);
  const left = held.filter((one) => !told.has(one) && one.needs?.length !== 0);
  // What needs nothing of the store is told when it is certain that nobody evaluates it in earnest.
  for (const one of held) if (one.needs?.length === 0) tell(one);
  for (const units of inParts(unitsOf(group.units, left))) {
    const end = await evaluate(units);
    if (end.kind !== "done") return end;
  }
  return { kind: "done" };
}

/** The units that hold these attributes, and of each only the members that do. */
function unitsOf(units: readonly Unit[], attributes: readonly Held[]): Unit[] {
  return units.flatMap((unit): Unit[] => {
    const inside = attributes.filter(({ path }) =>
      unit.path.every((component, index) => path[index] === component),
    );
    if (inside.length === 0) return [];
    const names = inside.map(({ path }) => path[unit.path.length]);
    return names.includes(undefined)
      ? [unit]
      : [{ ...unit, only: [...new Set(names.filter((name) => name !== undefined))] }];
  });
}

/** Units in parts whose names fit into one argument of a process. */
function inParts(units: readonly Unit[]): Unit[][] {
  const parts: Unit[][] = [];
  let room = 0;
  for (const unit of units) {
    for (const some of unit.only === undefined ? [undefined] : cut(unit.only)) {
      const size = JSON.stringify([unit.path, some ?? []]).length;
      // One unit is in a process only once: its members are counted.
      if (size > room || parts.at(-1)?.some(({ path }) => path === unit.path) !== false) {
        parts.push([]);
        room = NAMES;
      }
      parts.at(-1)!.push(some === undefined ? unit : { ...unit, only: some });
      room -= size;
    }
  }
  return parts;
}

function cut(names: readonly string[]): string[][] {
  const parts: string[][] = [];
  let room = 0;
  for (const name of names) {
    const size = JSON.stringify(name).length + 1;
    if (size > room) {
      parts.push([]);
      room = NAMES;
    }
    parts.at(-1)!.push(name);
    room -= size;
  }
  return parts;
}
