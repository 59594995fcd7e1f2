import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MachineOutcome } from "../../../src/protocol/machine.ts";
import {
  adviceOn,
  conclusionOf,
  conclusionOfAll,
  deploymentStateOf,
  type OutcomeKind,
  programsOf,
  unitDifference,
  warningsOf,
} from "../../../src/core/deploy/index.ts";
import { compareVersions } from "../../../src/core/deploy/versions.ts";

const units = (texts: Record<string, string>, wanted = Object.keys(texts)) => ({
  texts: new Map(Object.entries(texts)),
  wanted: new Set(wanted),
});
const SERVICE = "[Unit]\nDescription=a\n[Service]\nExecStart=/bin/a\n";
const change = (before: string, after: string, name = "a.service") =>
  Object.entries(unitDifference(units({ [name]: before }), units({ [name]: after })))
    .filter(([, names]) => names.length > 0)
    .map(([action]) => action);

describe("what an activation does to a unit that", () => {
  it.each([
    ["is the same", SERVICE, SERVICE, []],
    ["is described otherwise", SERVICE, SERVICE.replace("=a\n", "=b\n"), []],
    ["has other comments and order of sections", SERVICE, `# c\n${SERVICE}; d\n`, []],
    ["is wanted otherwise", SERVICE, `${SERVICE}[Install]\nWantedBy=x.target\n`, []],
    ["starts something else", SERVICE, SERVICE.replace("/a", "/b"), ["restart"]],
    [
      "has other triggers to reload",
      SERVICE,
      `[Unit]\nX-Reload-Triggers=x\n${SERVICE}`,
      ["reload"],
    ],
    [
      "reloads when it changes",
      SERVICE,
      `${SERVICE.replace("/a", "/b")}X-ReloadIfChanged=true\n`,
      ["reload"],
    ],
    [
      "is not to be restarted",
      SERVICE,
      `${SERVICE.replace("/a", "/b")}X-RestartIfChanged=no\n`,
      ["left"],
    ],
    [
      "is started by hand only",
      SERVICE,
      `[Unit]\nX-OnlyManualStart=true\n${SERVICE.replace("/a", "/b")}`,
      ["left"],
    ],
    [
      "goes on in the next line",
      "[Service]\nExecStart=/bin/a\\\nb\n",
      "[Service]\nExecStart=/bin/a b\n",
      [],
    ],
  ])("%s", (_what, before, after, expected) => {
    expect(change(before, after)).toEqual(expected);
  });

  it("comes or goes", () => {
    const found = unitDifference(
      units({ "old.service": SERVICE, "kept.service": "[Unit]\nX-StopOnRemoval=false\n" }),
      units({ "new.service": SERVICE, "bus.service": SERVICE }, ["new.service"]),
    );
    expect(found).toEqual({
      start: ["new.service"],
      stop: ["old.service"],
      restart: [],
      reload: [],
      left: ["kept.service"],
    });
  });

  it("is a mount, a slice or a target", () => {
    expect(change("[Mount]\nOptions=a", "[Mount]\nOptions=b", "a.mount")).toEqual(["reload"]);
    expect(change("[Slice]\nA=a", "[Slice]\nA=b", "a.slice")).toEqual(["left"]);
    expect(change("[Unit]\nA=a", "[Unit]\nA=b", "a.target")).toEqual([]);
  });

  it("is any text at all, without a throw, and itself is never a change", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (a, b) => {
        expect(change(a, a)).toEqual([]);
        expect(change(a, b).length).toBeLessThanOrEqual(1);
        expect(programsOf(a)).toEqual([]);
      }),
    );
  });
});

describe("programs that a unit starts", () => {
  it("are those of the store, with the signs before them taken off", () => {
    const path = `/nix/store/${"0".repeat(32)}-start/bin/start`;
    expect(
      programsOf(`[Service]\nExecStartPre=-+${path} --x\nExecStart=/bin/a\nExecStop=${path}2\n`),
    ).toEqual([path]);
  });
});

describe("warnings", () => {
  const looked = { units: [], activation: null, packages: [], warn: [] };
  const unit = (after: string, before: string | null = null) => ({
    name: "a.service",
    before,
    after,
  });
  const rules = (fields: Partial<Parameters<typeof warningsOf>[0]>) =>
    warningsOf({ ...looked, ...fields }).map(({ rule }) => rule);

  it.each([
    ["ExecStartPre=/bin/manage.py migrate", ["migration"]],
    ["invoke update --skip-backup", ["migration"]],
    ["ExecStart=/bin/rm -f -r /var/lib/x", ["destructive"]],
    ["rsync -a --delete-after /a /b", ["destructive"]],
    ["psql -c 'drop table users'", ["destructive"]],
    ["kluctl deploy --prune", ["destructive"]],
    ["ExecStart=/bin/immigration-office", []],
    ["ExecStart=/bin/rm /run/x.pid", []],
  ])("%s", (text, expected) => {
    expect(rules({ units: [unit(text)] })).toEqual(expected);
  });

  it("of migrations come with what changes, of removal whenever it is about to happen", () => {
    expect(rules({ units: [unit("alembic upgrade", "alembic upgrade")] })).toEqual([]);
    expect(rules({ units: [unit("rm -rf /x", "rm -rf /x")] })).toEqual(["destructive"]);
    const activation = { before: "rm -rf /old", after: "rm -rf /old\nrm -rf /new" };
    expect(warningsOf({ ...looked, activation })[0]?.message).toContain("rm -rf /new");
    expect(rules({ activation: { before: "rm -rf /old", after: "rm -rf /old" } })).toEqual([]);
  });

  it("take time that grows with the text alone", () => {
    const texts = ["rsync ".repeat(200_000), "find -".repeat(200_000), "rm -a ".repeat(200_000)];
    const began = performance.now();
    for (const text of texts) expect(rules({ units: [unit(text)] })).toEqual([]);
    // Looking back over each word again would take minutes.
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it("of packages that go back, and of what the configuration names", () => {
    const packages = [
      { name: "postgresql", before: ["16.4"], after: ["15.2"], bytes: 0 },
      { name: "nginx", before: ["1.9"], after: ["1.10"], bytes: 0 },
    ];
    expect(rules({ packages })).toEqual(["downgrade"]);
    expect(rules({ packages, warn: [{ when: "nginx-1.10", says: "Read the notes." }] })).toEqual([
      "configured",
      "downgrade",
    ]);
  });
});

describe("versions", () => {
  it.each([
    ["1.0", "2.3", -1],
    ["2.1", "2.3", -1],
    ["2.3", "2.3", 0],
    ["2.5", "2.3", 1],
    ["3.1", "2.3", 1],
    ["2.3.1", "2.3", 1],
    ["2.3.1", "2.3a", 1],
    ["2.3pre1", "2.3", -1],
    ["2.3pre3", "2.3pre12", -1],
    ["2.3a", "2.3c", -1],
    ["2.3pre1", "2.3c", -1],
    ["2.3pre1", "2.3q", -1],
  ])("%s and %s, as Nix's own tests have them", (a, b, order) => {
    expect(Math.sign(compareVersions(a, b))).toBe(order);
    expect(Math.sign(compareVersions(b, a))).toBe(order === 0 ? 0 : -order);
  });
});

describe("how machines end", () => {
  const KINDS = MachineOutcome.options.map(({ shape }) => shape.kind.value) as OutcomeKind[];
  it("is a success in one way only, and every other says what to do", () => {
    for (const kind of KINDS) {
      const good = kind === "active";
      expect([kind, conclusionOf(kind) === "success"]).toEqual([kind, good]);
      expect([kind, deploymentStateOf(kind) === "success"]).toEqual([kind, good]);
      expect([kind, adviceOn(kind) === ""]).toEqual([kind, good]);
    }
  });

  it("together is never better than any of them; nothing at all is no success", () => {
    expect(conclusionOfAll([])).toBe("action_required");
    const kind = fc.constantFrom(...KINDS, "skipped" as const);
    fc.assert(
      fc.property(fc.array(kind, { minLength: 1 }), (kinds) => {
        const all = kinds.every((one) => one === "active");
        expect(conclusionOfAll(kinds) === "success").toBe(all);
        if (kinds.some((one) => one !== "skipped" && conclusionOf(one) === "failure"))
          expect(conclusionOfAll(kinds)).toBe("failure");
      }),
    );
  });
});
