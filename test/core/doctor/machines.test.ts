import { describe, expect, test } from "vitest";
import { type Answers, examine } from "../../../src/core/doctor/index.ts";
import { readConfiguration } from "../../../src/core/config/read.ts";
import type { InventoryMachine } from "../../../src/protocol/impact.ts";
import type { Selection } from "../../../src/protocol/specification.ts";

const flake: Selection = { kind: "flake", directory: ".", attributes: ["x"], systems: null };
const file: Selection = { kind: "file", file: "krops.nix", attributes: ["*"], args: {} };
const attribute = (selection: number, ...path: string[]): Answers["attributes"][number] => ({
  selection,
  path,
  system: null,
  drv: `/nix/store/${"0".repeat(32)}-${path.at(-1)}.drv`,
  error: null,
});
const listed = (machine: string, over: Partial<InventoryMachine> = {}): InventoryMachine => ({
  selection: 0,
  machine,
  class: "nixos",
  tags: [],
  roles: [],
  targetHost: `root@${machine}`,
  explicit: false,
  hold: null,
  ...over,
});
const evaluated = { kind: "evaluated", missing: [] } as const;
const answers = (over: Partial<Answers> = {}): Answers => ({
  selections: [flake, file],
  entries: [evaluated, evaluated],
  attributes: [attribute(0, "nixosConfigurations", "web1"), attribute(1, "lnbits1")],
  inventory: [],
  unread: [],
  krops: null,
  commands: [],
  ...over,
});
/** What is wrong with a configuration's keys, by an evaluation. */
function problems(keys: object, over: Partial<Answers> = {}): string[] {
  const read = readConfiguration(JSON.stringify({ version: 1, ...keys }));
  if (!read.ok) throw new Error(JSON.stringify(read.errors));
  return examine(read.configuration, answers(over), []).map(
    ({ level, path, message }) => `${level} ${path.join(".")}: ${message}`,
  );
}

describe("machines that are named", () => {
  test("are there: a flake's by its outputs, a file's by the attribute of its name, any by one that is named", () => {
    expect(
      problems({
        machines: { web1: {}, lnbits1: { method: "krops" }, other: { attribute: "lnbits1" } },
      }),
    ).toEqual([]);
  });

  test("are not there", () => {
    expect(
      problems({
        machines: {
          lnbits2: { method: "colmena" },
          kiosk: { method: "krops" },
          other: { attribute: "b.c" },
        },
      }),
    ).toEqual([
      "error machines.lnbits2: no attribute that is evaluated is the system of lnbits2; there are web1",
      "error machines.other.attribute: b.c is not among the attributes that are evaluated",
    ]);
  });

  test("by an inventory: those that nothing is the system of, and an inventory that is none", () => {
    const machines = { discover: ["clan"] };
    expect(problems({ machines }, { inventory: [listed("web1"), listed("db1")] })).toEqual([
      "warning machines.discover: clan's inventory has machines of which nothing that is evaluated is the system: db1",
    ]);
    expect(problems({ machines })).toEqual([
      "warning machines.discover: no flake that is evaluated has machines in a clan inventory (clan.inventory)",
    ]);
    expect(problems({ machines }, { unread: ["cannot be read"] })).toEqual([
      "error machines.discover: cannot be read",
    ]);
    // Nobody asked for it in so many words: there is no key to point at.
    expect(problems({}, { inventory: [listed("db1")] })).toEqual([
      expect.stringContaining("warning : clan's inventory has machines"),
    ]);
  });

  test("with what would keep them from being deployed", () => {
    const inventory = [listed("web1", { targetHost: null })];
    const machines = { web1: { health: [{ http: "https://${domain}/" }] } };
    expect(problems({ machines }, { inventory })).toEqual([
      expect.stringContaining("warning machines.web1: clan names no target host"),
      expect.stringMatching(/^warning machines\.web1: .*domain/u),
    ]);
  });
});

describe("whom stages mean", () => {
  const stage = (target: string, over: Partial<Answers> = {}, machines = {}) =>
    problems({ machines, rollouts: { all: { stages: [target] } } }, over).filter((one) =>
      one.includes("rollouts"),
    );
  const inventory = [listed("web1", { tags: ["web", "eu"], roles: ["server"] })];

  test.each(["web1", "web*", "tag:web", "tag:web,eu", "role:server"])("%s: somebody", (target) => {
    expect(stage(target, { inventory })).toEqual([]);
  });

  test.each(["web2", "db*", "tag:gone", "tag:web,gone", "role:client", "role:"])(
    "%s: nobody",
    (target) => {
      expect(stage(target, { inventory })).toEqual([
        `error rollouts.all.stages.0: ${target} is no machine's`,
      ]);
    },
  );

  test("only machines that ask to be named themselves", () => {
    const explicit = { web1: { explicit: true } };
    expect(stage("role:server", { inventory }, explicit)).toEqual([
      "warning rollouts.all.stages.0: role:server means only machines that ask to be named themselves: web1",
    ]);
    expect(stage("web1", { inventory }, explicit)).toEqual([]);
  });
});
