import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attributeName } from "../../../src/protocol/attribute.ts";
import { Configuration } from "../../../src/core/config/schema.ts";
import { compare, type Evaluated, NAMES } from "../../../src/core/impact/compare.ts";
import { declaredMachines, machineOf } from "../../../src/core/impact/machine.ts";

const drv = (name: string) => `/nix/store/${"0".repeat(32)}-${name}.drv`;
const one = (name: string, of: string | null = name, selection = "flake:."): Evaluated => ({
  selection,
  name,
  drv: of === null ? null : drv(of),
});
const NONE = { declared: [], inventory: [] };
const m = (name: string) => `nixosConfigurations.${name}`;

describe("machines", () => {
  const declared = new Set(["web", "a.b"]);
  it.each([
    ["flake:.", "nixosConfigurations.web1", "web1"],
    ["flake:infra", 'darwinConfigurations."lap.top"', "lap.top"],
    ["flake:.", "packages.x86_64-linux.web", null],
    ["flake:.", "nixosConfigurations.web.config", null],
    ["file:krops.nix", "web", "web"],
    ["file:krops.nix", 'machines."a.b"', "a.b"],
    ["file:krops.nix", "all", null],
  ])("of %s, %s is %s", (selection, attribute, machine) => {
    expect(machineOf(selection, attribute, declared)).toBe(machine);
  });

  it("of any name are found by the name that Nix prints", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }), (name) => {
        const printed = attributeName(["nixosConfigurations", name]);
        expect(machineOf("flake:.", printed, new Set())).toBe(name);
      }),
    );
  });

  it("are declared by their keys alone", () => {
    expect(declaredMachines({})).toEqual({ asked: false, names: [] });
    expect(
      declaredMachines(
        Configuration.parse({
          machines: { discover: ["clan"], web2: {}, web1: { method: "krops" } },
        }),
      ),
    ).toEqual({ asked: true, names: ["web1", "web2"] });
  });
});

describe("an evaluation and its base's", () => {
  it("differ in each way by its own name, and one broken machine hides no other", () => {
    const base = [
      one(m("same")),
      one(m("moved"), "old"),
      one(m("gone")),
      one(m("breaks")),
      one(m("heals"), null),
      one(m("ill"), null),
      one("packages.x86_64-linux.p", "p1"),
    ];
    const own = [
      one(m("same")),
      one(m("moved"), "new"),
      one(m("fresh")),
      one(m("breaks"), null),
      one(m("heals")),
      one(m("ill"), null),
      one(m("unborn"), null),
      one("packages.x86_64-linux.p", "p2"),
    ];
    const found = compare(base, own, null, NONE);
    expect(found.machines.map(({ machine, change }) => [machine, change])).toEqual([
      ["breaks", "broken"],
      ["fresh", "added"],
      ["gone", "removed"],
      ["heals", "repaired"],
      ["ill", "faulty"],
      ["moved", "changed"],
      ["same", "same"],
      ["unborn", "broken"],
    ]);
    const { names, ...counts } = found.difference;
    expect(counts).toEqual({ of: 8, changed: 4, revision: 0, added: 2, removed: 1 });
    expect(names).toContainEqual({ kind: "removed", name: m("gone") });
  });

  it("tell apart what the base's tree gives under this commit's revision", () => {
    const found = compare(
      [one(m("a"), "a-base"), one(m("b"), "b-base"), one(m("c"))],
      [one(m("a"), "a-head"), one(m("b"), "b-new"), one(m("c"))],
      [one(m("a"), "a-head"), one(m("b"), "b-head"), one(m("c"))],
      NONE,
    );
    expect(found.machines.map(({ change }) => change)).toEqual(["revision", "changed", "same"]);
    expect(found.difference).toMatchObject({ changed: 1, revision: 1 });
  });

  it("never call an error the same because the base under this revision fails too", () => {
    const found = compare([one(m("a"))], [one(m("a"), null)], [one(m("a"), null)], NONE);
    expect(found.machines[0]?.change).toBe("broken");
  });

  it("compare by selection, and name what was declared and is nowhere", () => {
    const found = compare(
      [one("web", "w1", "file:krops.nix"), one("web", "b1", "file:build-local.nix")],
      [one("web", "w2", "file:krops.nix"), one("web", "b1", "file:build-local.nix")],
      null,
      { declared: ["web", "other"], inventory: ["laptop", "other"] },
    );
    expect(found.machines.map(({ selection, change }) => [selection, change])).toEqual([
      ["file:build-local.nix", "same"],
      ["file:krops.nix", "changed"],
    ]);
    expect(found.uncovered).toEqual(["laptop", "other"]);
  });

  const evaluations = fc.uniqueArray(
    fc.record({
      selection: fc.constantFrom("flake:.", "flake:b"),
      name: fc.constantFrom("a", "b", m("x"), m("y"), m("z")),
      drv: fc.constantFrom(null, drv("1"), drv("2")),
    }),
    { selector: ({ selection, name }) => `${selection} ${name}` },
  );

  it("count each attribute once: what is not the same is changed, added or removed", () => {
    fc.assert(
      fc.property(evaluations, evaluations, (base, own) => {
        const key = ({ selection, name, drv: of }: Evaluated) => `${selection} ${name} ${of}`;
        const same = own.filter((of) => base.some((was) => key(was) === key(of))).length;
        const { difference, machines } = compare(base, own, null, NONE);
        expect(same + difference.changed + difference.added).toBe(own.length);
        expect(same + difference.changed + difference.removed).toBe(base.length);
        expect(machines.length).toBe(
          new Set(
            [...base, ...own]
              .filter(({ name }) => name.startsWith("nixos"))
              .map(({ selection, name }) => `${selection} ${name}`),
          ).size,
        );
        // Without the other way round there is no change.
        const back = compare(own, base, null, NONE).difference;
        expect([back.added, back.removed]).toEqual([difference.removed, difference.added]);
      }),
    );
  });

  it("keep so many names of each kind", () => {
    const own = Array.from({ length: 3 * NAMES }, (_, at) => one(`p${at}`));
    expect(compare([], own, null, NONE).difference.names.length).toBe(NAMES);
  });
});
