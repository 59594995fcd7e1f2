import type { FaultRow } from "./row.ts";
import { faults } from "./rows.ts";
import { World } from "./world.ts";

/** Plays the faults whose names hold `match`, some at once, each on machines of its own. */
export async function playDeploys(options: {
  match: string;
  jobs: number;
  told: (row: FaultRow) => void;
}): Promise<FaultRow[]> {
  const world = await World.open();
  try {
    const left = faults.filter(({ name }) => name.includes(options.match));
    const rows = new Map<string, FaultRow>();
    const worker = async (): Promise<void> => {
      for (let fault = left.shift(); fault !== undefined; fault = left.shift()) {
        const row = await fault.play(world).catch((error: unknown) => unplayed(fault.name, error));
        rows.set(fault.name, row);
        options.told(row);
      }
    };
    await Promise.all(Array.from({ length: options.jobs }, worker));
    return faults.flatMap(({ name }) => rows.get(name) ?? []);
  } finally {
    await world.close();
  }
}

/** What is wrong with the table itself fails a row, and not the others. */
export function unplayed(fault: string, error: unknown): FaultRow {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const nothing = { verdict: "not played", before: "?", after: "?", seconds: 0 };
  return { fault, ...nothing, working: false, truthful: false, detail };
}
