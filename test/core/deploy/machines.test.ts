import { describe, expect, it } from "vitest";
import {
  choose,
  earlierOf,
  identify,
  machinesOf,
  stagesOf,
  stagesOfNamed,
} from "../../../src/core/deploy/index.ts";
import type { Configuration } from "../../../src/core/config/schema.ts";

const drv = (name: string) => `/nix/store/${"0".repeat(32)}-${name}.drv`;
const nixos = (name: string, selection = 0) => ({
  selection,
  path: ["nixosConfigurations", name],
  system: "x86_64-linux",
  drv: drv(name),
});
const listed = (machine: string, fields = {}) => ({
  selection: 0,
  machine,
  class: "nixos",
  tags: ["web"],
  roles: [],
  targetHost: "root@host",
  ...fields,
});
const selections = [{ kind: "flake" as const }];
/** The type of a catch-all says that every key is a machine. */
const of = (written: { machines?: object }, fields = {}) =>
  machinesOf(written as Configuration, { selections, attributes: [], inventory: [], ...fields });

describe("the machines of a repository", () => {
  it("are those that are evaluated, listed and declared, together", () => {
    const machines = of(
      { machines: { web1: { tags: ["canary"] }, kiosk: { method: "colmena" } } },
      {
        attributes: [nixos("web1"), nixos("web2")],
        inventory: [listed("web1", { roles: ["server"] })],
      },
    );
    expect(
      machines.map(({ name, method, tags, roles }) => ({ name, method, tags, roles })),
    ).toEqual([
      { name: "kiosk", method: "colmena", tags: [], roles: [] },
      { name: "web1", method: "clan", tags: ["canary", "web"], roles: ["server"] },
      { name: "web2", method: "plain", tags: [], roles: [] },
    ]);
    expect(machines[0]?.problems).toEqual(["the evaluation has no attribute that is its system"]);
    expect(machines[1]?.attribute?.drv).toBe(drv("web1"));
  });

  it("are found only where the configuration looks", () => {
    const found = { attributes: [nixos("web1")], inventory: [listed("db1")] };
    expect(of({ machines: { discover: ["clan"] } }, found).map(({ name }) => name)).toEqual([
      "db1",
    ]);
    expect(of({ machines: { discover: [] } }, found)).toEqual([]);
    // A name that no machine can have is none.
    expect(of({}, { attributes: [nixos("-rf"), nixos("a/b")] })).toEqual([]);
  });

  it("say what keeps them from being deployed", () => {
    const machines = of(
      { machines: { odd: { health: [{ http: "https://${domain}/" }] } } },
      {
        attributes: [{ ...nixos("broken"), drv: null }, nixos("lost"), nixos("odd")],
        inventory: [listed("lost", { targetHost: null, hold: "the disk", explicit: true })],
      },
    );
    const by = new Map(machines.map((machine) => [machine.name, machine]));
    expect(by.get("broken")?.problems).toEqual(["its system could not be evaluated"]);
    expect(by.get("lost")).toMatchObject({ hold: "the disk", explicit: true });
    expect(by.get("lost")?.problems[0]).toContain("names no target host");
    expect(by.get("odd")?.problems).toEqual(["a health check needs ${domain}"]);
  });

  it("take defaults, and their own instead", () => {
    const [a, b] = of(
      {
        machines: {
          defaults: {
            health: [
              { http: "https://app.${domain}/", grace_seconds: 400 },
              { websocket: "wss://app.${domain}/ws" },
              { tcp: "img.${domain}:443" },
              { command: ["check", "${name}"] },
            ],
            limits: { copy_seconds: 60 },
          },
          a: { domain: "a.example.org" },
          b: { health: [{ unit: "${unit}.service" }], variables: { unit: "nginx" } },
        },
      },
      { attributes: [nixos("a"), nixos("b")] },
    );
    expect(a?.problems).toEqual([]);
    expect(a?.health).toMatchObject([
      { kind: "http", url: "https://app.a.example.org/", graceSeconds: 400 },
      { kind: "websocket", url: "wss://app.a.example.org/ws" },
      { kind: "tcp", host: "img.a.example.org", port: 443, intervalSeconds: 2 },
      { kind: "command", argv: ["check", "a"] },
    ]);
    // The machine does not go back while a check may still come to hold.
    expect(a?.limits).toEqual({
      connectSeconds: 10,
      copySeconds: 60,
      activationSeconds: 900,
      confirmationSeconds: 470,
    });
    expect(b?.health).toMatchObject([{ kind: "unit", unit: "nginx.service" }]);
    expect(b?.limits.confirmationSeconds).toBe(300);
  });

  it("are darwin's where inventory, attribute or configuration says so", () => {
    const darwin = { ...nixos("mac"), path: ["darwinConfigurations", "mac"] };
    expect(of({}, { attributes: [darwin] })[0]).toMatchObject({
      class: "darwin",
      method: "darwin",
    });
  });

  it("are found by a declared attribute", () => {
    const path = ["packages", "x86_64-linux", "kiosk-system"];
    const [kiosk] = of(
      { machines: { kiosk: { attribute: "packages.x86_64-linux.kiosk-system" } } },
      { attributes: [{ ...nixos("x"), path }] },
    ).filter(({ name }) => name === "kiosk");
    expect(kiosk?.attribute?.path).toEqual(path);
  });
});

describe("who a machine is", () => {
  const target = (name: string, key: string, ...repositories: number[]) => ({
    name,
    hostKey: `SHA256:${key.repeat(43)}`,
    repositories,
  });
  it("is what deploy runners name it for this repository, all alike", () => {
    const targets = [target("web1", "a", 1), target("web1", "a", 1, 2), target("web1", "b", 9)];
    expect(identify("web1", 1, targets)).toMatchObject({ kind: "known" });
    expect(identify("web1", 3, targets)).toEqual({ kind: "unnamed" });
    expect(identify("web1", 1, [...targets, target("web1", "c", 1)])).toMatchObject({
      kind: "disputed",
      hostKeys: [expect.stringContaining("aaa"), expect.stringContaining("ccc")],
    });
  });
});

const fleet = [
  { name: "c1", tags: ["web", "canary"], roles: [], explicit: false },
  { name: "w1", tags: ["web"], roles: ["server"], explicit: false },
  { name: "w2", tags: ["web"], roles: [], explicit: false },
  { name: "vault", tags: ["web"], roles: [], explicit: true },
];
const rollouts = {
  web: {
    stages: ["tag:canary", { targets: ["tag:web"], parallel: 2, pause_seconds: 5 }],
    max_failures: 1,
  },
};

describe("what is chosen", () => {
  it("has no machine that asks to be named itself, unless it is", () => {
    expect(choose(["tag:web"], fleet)).toEqual({
      machines: ["c1", "w1", "w2"],
      unmatched: [],
      left: ["vault"],
    });
    expect(choose(["tag:web", "vault", "x*"], fleet)).toMatchObject({
      machines: ["c1", "w1", "w2", "vault"],
      unmatched: ["x*"],
    });
  });

  it("is in the stages of a rollout, each machine once", () => {
    expect(stagesOf(rollouts.web, fleet)).toEqual({
      stages: [
        { label: "tag:canary", parallel: 1, maxFailures: 1, pauseSeconds: 0 },
        { label: "tag:web", parallel: 2, maxFailures: 1, pauseSeconds: 5 },
      ],
      machines: [
        { machine: "c1", stage: 0 },
        { machine: "w1", stage: 1 },
        { machine: "w2", stage: 1 },
      ],
      unmatched: [],
      onFailure: "stop",
    });
    expect(stagesOf({ stages: ["tag:none"] }, fleet).unmatched).toEqual(["tag:none"]);
  });

  it("by name is in the stages of the rollout that has them all, else one after the other", () => {
    expect(stagesOfNamed(["w1", "c1"], rollouts, fleet).machines).toEqual([
      { machine: "c1", stage: 0 },
      { machine: "w1", stage: 1 },
    ]);
    expect(stagesOfNamed(["w2"], rollouts, fleet)).toEqual({
      stages: [{ label: "tag:web", parallel: 2, maxFailures: 1, pauseSeconds: 5 }],
      machines: [{ machine: "w2", stage: 0 }],
      onFailure: "stop",
    });
    expect(stagesOfNamed(["w2", "vault"], rollouts, fleet).stages).toEqual([
      { label: "w2 vault", parallel: 1, maxFailures: 0, pauseSeconds: 0 },
    ]);
  });

  it("waits for machines of earlier stages that it is not about itself", () => {
    expect(earlierOf(["w1"], rollouts, fleet)).toEqual(["c1"]);
    expect(earlierOf(["c1", "w1"], rollouts, fleet)).toEqual([]);
    expect(earlierOf(["c1"], rollouts, fleet)).toEqual([]);
  });
});
