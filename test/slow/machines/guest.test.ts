import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cannotRun } from "../../../scripts/test/missing.ts";
import { guestFaults } from "../../machines/guest/faults.ts";
import { GuestWorld } from "../../machines/guest/world.ts";

const reason = cannotRun("root", "nix", "busybox", "qemu", "qemu-img", "mkfs.ext4", "ssh");
let world: GuestWorld;
beforeAll(async () => {
  if (!reason) world = await GuestWorld.open();
});
beforeEach((context) => {
  if (reason) context.skip(reason);
});
afterAll(async () => {
  if (!reason) await world[Symbol.asyncDispose]();
});

/** What nothing but a machine with systemd and a disk can show; `npm run faults -- --only guest` plays them all. */
const SHOWN = [
  "none, then a reboot",
  "when the closure has come",
  "half of the later writes kept",
  "the watchdog is a unit of its own",
  "a unit fails that had not",
];
const shown = SHOWN.map((end) => {
  const found = guestFaults.find(({ name }) => name.endsWith(end));
  if (found === undefined) throw new Error(`there is no fault of a guest called ${end}`);
  return found;
});

/** In the order of a deploy; each on a guest of its own that runs the old system. */
describe("a machine with systemd, in a virtual machine", () => {
  test.for(shown)("$name", async ({ play }) => {
    const row = await play(world);
    expect(row, row.detail).toMatchObject({ working: true, truthful: true });
    console.log(`${row.fault}: ${row.verdict}, ${row.before} → ${row.after}, ${row.seconds} s`);
  });
});
