import { guestFaults } from "../machines/guest/faults.ts";
import { GuestWorld } from "../machines/guest/world.ts";
import type { FaultRow } from "./deploy/row.ts";
import { unplayed } from "./deploy/table.ts";

/** Plays the faults of a machine with systemd whose names hold `match`, one after the other: each has the processor to itself. */
export async function playGuests(options: {
  match: string;
  told: (row: FaultRow) => void;
}): Promise<FaultRow[]> {
  const wanted = guestFaults.filter(({ name }) => name.includes(options.match));
  if (wanted.length === 0) return [];
  await using world = await GuestWorld.open();
  const rows: FaultRow[] = [];
  for (const { name, play } of wanted) {
    const row = await play(world).catch((error: unknown) => unplayed(name, error));
    rows.push(row);
    options.told(row);
  }
  return rows;
}
