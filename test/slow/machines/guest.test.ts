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

/** In the order of a deploy; each on a guest of its own that runs the old system. */
describe("a machine with systemd, in a virtual machine", () => {
  test.for(guestFaults)("$name", async ({ play }) => {
    const row = await play(world);
    expect(row, row.detail).toMatchObject({ working: true, truthful: true });
    console.log(`${row.fault}: ${row.verdict}, ${row.before} → ${row.after}, ${row.seconds} s`);
  });
});
