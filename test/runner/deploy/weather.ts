import fc from "fast-check";
import type { Script } from "./model.ts";

/** What links, power and systems do. */
export const weather: fc.Arbitrary<Script> = fc.record({
  cuts: fc
    .array(fc.tuple(fc.nat(24), fc.constantFrom("before" as const, "after" as const)), {
      maxLength: 5,
    })
    .map((list) => new Map(list)),
  down: fc.record({ from: fc.nat(60), seconds: fc.oneof(fc.constant(0), fc.nat(200)) }),
  deaf: fc.oneof(
    { weight: 5, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
  activation: fc.record({
    seconds: fc.integer({ min: 0, max: 45 }),
    exit: fc.constantFrom(0, 0, 0, 4, 1, 100),
  }),
  fails: fc.constantFrom([], [], [], ["web.service"]),
  failed: fc.constantFrom([], [], ["old.service"]),
  healthy: fc.constantFrom(true, true, true, false),
  bootable: fc.constantFrom(true, true, true, false),
  powerCut: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.nat(60) },
  ),
  refuses: fc.constant(null),
});
