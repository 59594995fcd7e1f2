import type { FaultRow } from "../deploy/row.ts";
import { unplayed } from "../deploy/table.ts";
import { planeFaults } from "./rows.ts";
import { PlaneWorld } from "./world.ts";

/** Plays the faults of the control plane whose names hold `match`, one after the other: they share one. */
export async function playPlane(options: {
  match: string;
  told: (row: FaultRow) => void;
}): Promise<FaultRow[]> {
  const wanted = planeFaults.filter(({ name }) => name.includes(options.match));
  if (wanted.length === 0) return [];
  const world = await PlaneWorld.open();
  try {
    const rows: FaultRow[] = [];
    for (const { name, play } of wanted) {
      const row = await play(world).catch((error: unknown) => unplayed(name, error));
      rows.push(row);
      options.told(row);
    }
    return rows;
  } finally {
    await world.close();
  }
}
