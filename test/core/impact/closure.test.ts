import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closureDifference, NOISE, type Sized } from "../../../src/core/impact/closure.ts";
import { nameOf, packageOf } from "../../../src/core/impact/package.ts";
import { MachineDifference } from "../../../src/protocol/impact.ts";

const path = (name: string, hash = "0") => `/nix/store/${hash.repeat(32)}-${name}`;
const sized = (name: string, bytes = 100, hash = "0"): Sized => ({ path: path(name, hash), bytes });

describe("the package of a store path", () => {
  it.each([
    ["nginx-1.26.2", "nginx", "1.26.2"],
    ["glibc-2.39-52-bin", "glibc", "2.39-52"],
    ["nixos-system-web1-25.05", "nixos-system-web1", "25.05"],
    ["unit-nginx.service", "unit-nginx.service", ""],
    ["python3.12-requests-2.32.3", "python3.12-requests", "2.32.3"],
    ["7zip-24.08", "7zip", "24.08"],
    ["-1", "-1", ""],
  ])("of %s is %s, %s", (name, expected, version) => {
    expect(packageOf(name)).toEqual({ name: expected, version });
  });

  it("is read behind the hash, of derivations too", () => {
    expect(nameOf(path("a-1.0.drv"))).toBe("a-1.0");
  });
});

describe("two closures", () => {
  it("differ by versions, by what came and went, and by size from a limit on", () => {
    const before = [
      sized("nginx-1.24.0", 1_000),
      sized("glibc-2.39", 5_000),
      sized("lib-1.0", 10),
      sized("gone-1", 7),
      sized("moved-1.0", 20_000),
      sized("two-1.0", 5),
    ];
    const after = [
      sized("nginx-1.26.0", 1_200, "1"),
      sized("glibc-2.39", 5_000),
      sized("lib-1.0", 10 + NOISE - 1, "1"),
      sized("new", 9),
      sized("moved-1.0", 20_000 + NOISE, "1"),
      sized("two-1.0", 5),
      sized("two-2.0", 6),
    ];
    const found = closureDifference(before, after);
    expect(found).toMatchObject({ added: 1, removed: 1, changed: 3 });
    expect(found.packages).toEqual([
      { name: "moved", before: ["1.0"], after: ["1.0"], bytes: NOISE },
      { name: "nginx", before: ["1.24.0"], after: ["1.26.0"], bytes: 200 },
      { name: "new", before: [], after: [""], bytes: 9 },
      { name: "gone", before: ["1"], after: [], bytes: -7 },
      { name: "two", before: ["1.0"], after: ["1.0", "2.0"], bytes: 6 },
    ]);
  });

  const closures = fc.uniqueArray(
    fc.record({
      path: fc
        .tuple(
          fc.constantFrom("0", "1", "2"),
          fc.constantFrom("a", "b-c", "d1", "e"),
          fc.constantFrom("", "-1.0", "-2", "-2-bin"),
        )
        .map(([hash, name, version]) => path(`${name}${version}`, hash)),
      bytes: fc.nat(50_000),
    }),
    { selector: ({ path: of }) => of, maxLength: 30 },
  );

  it("that are the same differ in nothing", () => {
    fc.assert(
      fc.property(closures, (closure) => {
        expect(closureDifference(closure, closure.toReversed())).toMatchObject({
          added: 0,
          removed: 0,
          changed: 0,
          packages: [],
        });
      }),
    );
  });

  it("differ the other way round when they are exchanged; sizes add up, and the protocol takes it", () => {
    fc.assert(
      fc.property(closures, closures, (before, after) => {
        const there = closureDifference(before, after);
        const back = closureDifference(after, before);
        expect([back.added, back.removed, back.changed]).toEqual([
          there.removed,
          there.added,
          there.changed,
        ]);
        expect(new Set(back.packages.map(({ name, bytes }) => `${name} ${0 - bytes}`))).toEqual(
          new Set(there.packages.map(({ name, bytes }) => `${name} ${0 + bytes}`)),
        );
        const left = there.after.bytes - there.before.bytes;
        const told = there.packages.reduce((sum, { bytes }) => sum + bytes, 0);
        // What is left out is below the limit for each of the few names.
        expect(Math.abs(left - told)).toBeLessThan(4 * NOISE);
        const unknown = { kind: "unknown" as const, why: "" };
        const drv = path("a.drv");
        const closure = { kind: "known" as const, ...there };
        MachineDifference.parse({ before: drv, after: drv, derivation: unknown, closure });
      }),
    );
  });
});
