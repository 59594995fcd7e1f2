import { describe, expect, it } from "vitest";
import type { DeployWork } from "../../../src/protocol/machine.ts";
import { fingerprint } from "../../../src/runner/deploy/policy/host-key.ts";
import { judgeDeploy, judgeObservation } from "../../../src/runner/deploy/policy/judge.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import { targetsOf } from "../../../src/runner/deploy/policy/targets.ts";
import { isOpen } from "../../../src/runner/deploy/policy/window.ts";
import { BUILDER, HOST_KEYS, policyJson, SPEAKER, work } from "./support.ts";

/** Wednesday, 18 November 2026, 10:00 UTC. */
const NOON = Date.UTC(2026, 10, 18, 10);
const policy = DeployPolicy.parse(policyJson());
const whyNot = (changes: Partial<DeployWork>, speaker = SPEAKER, now = NOON) => {
  const judged = judgeDeploy(policy, speaker, work(changes), now);
  return judged.kind === "refused" ? judged.why : null;
};

describe("the runner's own policy has the last word", () => {
  it("allows what it names", () => {
    expect(whyNot({})).toBeNull();
  });

  const rollback = { kind: "generation", number: null, system: null } as const;
  const other = { ...SPEAKER, repository: 99 };
  const refused: [string, Partial<DeployWork>, RegExp, typeof SPEAKER?, number?][] = [
    ["another repository's machine", {}, /names no machine web/u, other],
    [
      "the same repository id of another host",
      {},
      /names no machine web/u,
      { ...SPEAKER, host: "ghe.example.org" },
    ],
    [
      "a machine that is not listed",
      { machine: { name: "web", hostKey: fingerprint(HOST_KEYS.other) } },
      /names no machine web/u,
    ],
    [
      "a listed machine by another's name",
      { machine: { name: "db", hostKey: fingerprint(HOST_KEYS.web) } },
      /names no machine db/u,
    ],
    ["a ref that is not listed", { ref: "refs/heads/feature" }, /refs\/heads\/feature may not/u],
    ["a ref that only begins like a listed one", { ref: "refs/heads/main2" }, /may not/u],
    ["a method", { method: "krops" }, /not be changed by krops, only by plain/u],
    [
      "a builder that is not listed",
      {
        action: {
          ...work({}).action,
          manifest: { ...BUILDER.head, builder: "A".repeat(43) + "=" },
        } as DeployWork["action"],
      },
      /builder that is not listed/u,
    ],
    ["a backup command", { backup: ["rm", "-rf", "/"] }, /\["rm","-rf","\/"\] is not listed/u],
    ["a listed backup with one word more", { backup: ["pg_dumpall", "--clean"] }, /is not listed/u],
    [
      "a health command",
      {
        health: [
          {
            kind: "command",
            argv: ["sh", "-c", "id"],
            graceSeconds: 1,
            intervalSeconds: 1,
            timeoutSeconds: 1,
          },
        ],
      },
      /is not listed/u,
    ],
    [
      "a time outside its window",
      {},
      /begin mon tue wed thu 08:00 to 16:00 UTC/u,
      SPEAKER,
      Date.UTC(2026, 10, 18, 16),
    ],
    [
      "going back, where only deploys are allowed",
      { machine: { name: "db", hostKey: fingerprint(HOST_KEYS.db) }, action: rollback },
      /rollback is not among/u,
    ],
  ];
  it.each(refused)("refuses %s", (_, changes, why, speaker, now) => {
    expect(whyNot(changes, speaker, now)).toMatch(why);
  });

  it("allows going back outside the window, and a listed backup", () => {
    expect(whyNot({ action: rollback }, SPEAKER, Date.UTC(2026, 10, 21, 3))).toBeNull();
    expect(whyNot({ backup: ["pg_dumpall"] })).toBeNull();
    expect(whyNot({ ref: "refs/heads/release/26.05" })).toBeNull();
  });

  it("allows a script word for word, where the method is allowed at all", () => {
    const script = (...argv: string[]): Partial<DeployWork> => ({
      method: "script",
      tool: { kind: "script", directory: ".", argv },
      action: { kind: "source", tree: "b".repeat(40) },
    });
    expect(whyNot(script("pg_dumpall"))).toMatch(/may not be changed by script, only by plain/u);
    const json = policyJson();
    const lenient = DeployPolicy.parse({
      ...json,
      machines: { web: { ...json.machines.web, methods: ["script"] } },
    });
    const judged = (...argv: string[]) =>
      judgeDeploy(lenient, SPEAKER, work(script(...argv)), NOON).kind;
    expect(judged("pg_dumpall")).toBe("allowed");
    expect(judged("pg_dumpall", "--clean")).toBe("refused");
    expect(judged("./deploy")).toBe("refused");
  });

  it("lets a machine of another method go back to a generation of its own, and nothing else by plain", () => {
    const json = policyJson();
    const byClan = (kinds: string[]) =>
      DeployPolicy.parse({
        ...json,
        machines: {
          web: {
            ...json.machines.web,
            methods: ["clan"],
            repositories: json.machines.web.repositories.map((one) => ({ ...one, kinds })),
          },
        },
      });
    const judged = (action: DeployWork["action"], kinds = ["deploy", "rollback"]) =>
      judgeDeploy(byClan(kinds), SPEAKER, work({ action }), NOON).kind;
    expect(judged(rollback)).toBe("allowed");
    expect(judged(rollback, ["deploy"])).toBe("refused");
    expect(judged(work({}).action)).toBe("refused");
  });

  it("says the same of a machine that is not there and of another repository's", () => {
    const machine = { name: "web", hostKey: fingerprint(HOST_KEYS.other) };
    expect(judgeObservation(policy, SPEAKER, machine)).toEqual(
      judgeObservation(policy, other, { name: "web", hostKey: fingerprint(HOST_KEYS.web) }),
    );
  });

  it("tells the machines and ids of its own host only", () => {
    expect(targetsOf(policy, "github.com")).toEqual([
      { name: "web", hostKey: fingerprint(HOST_KEYS.web), repositories: [7] },
      { name: "db", hostKey: fingerprint(HOST_KEYS.db), repositories: [7] },
    ]);
    expect(targetsOf(policy, "ghe.example.org")).toEqual([]);
  });
});

describe("windows", () => {
  const night = [{ days: ["fri" as const], from: "22:00", to: "04:00" }];
  it.each([
    [Date.UTC(2026, 10, 20, 21, 59), false],
    [Date.UTC(2026, 10, 20, 22, 0), true],
    [Date.UTC(2026, 10, 21, 3, 59), true],
    [Date.UTC(2026, 10, 21, 4, 0), false],
    [Date.UTC(2026, 10, 21, 22, 0), false],
    [Date.UTC(2026, 10, 20, 3, 0), false],
  ])("one over midnight belongs to the day it began on (%d)", (now, open) => {
    expect(isOpen(night, now)).toBe(open);
  });

  it("with one end for both lasts a day", () => {
    const day = [{ days: ["sun" as const], from: "06:00", to: "06:00" }];
    expect(isOpen(day, Date.UTC(2026, 10, 22, 6))).toBe(true);
    expect(isOpen(day, Date.UTC(2026, 10, 23, 5, 59))).toBe(true);
    expect(isOpen(day, Date.UTC(2026, 10, 23, 6))).toBe(false);
  });
});

describe("the file", () => {
  const faults: [string, (json: ReturnType<typeof policyJson>) => unknown][] = [
    ["a misspelt key", (json) => ({ ...json, bulders: [] })],
    [
      "a host key that is none",
      (json) => ({ ...json, machines: { web: { ...json.machines.web, hostKey: "ssh-rsa AAAA" } } }),
    ],
    [
      "an address that is a flag",
      (json) => ({
        ...json,
        machines: { web: { ...json.machines.web, address: "-oProxyCommand=id" } },
      }),
    ],
    [
      "a user that is a flag",
      (json) => ({ ...json, machines: { web: { ...json.machines.web, user: "-l" } } }),
    ],
    [
      "one machine twice",
      (json) => ({ ...json, machines: { web: json.machines.web, again: json.machines.web } }),
    ],
    [
      "a machine of no repository",
      (json) => ({ ...json, machines: { web: { ...json.machines.web, repositories: [] } } }),
    ],
    [
      "a star within a ref",
      (json) => ({
        ...json,
        machines: {
          web: {
            ...json.machines.web,
            repositories: [{ ...json.machines.web.repositories[0], refs: ["refs/*/main"] }],
          },
        },
      }),
    ],
  ];
  it.each(faults)("refuses %s", (_, change) => {
    expect(DeployPolicy.safeParse(change(policyJson())).success).toBe(false);
  });
});

describe("clusters of a policy", () => {
  const AUTHORITY = `SHA256:${"B".repeat(43)}`;
  const cluster = {
    kubeconfig: "/etc/snowcat/kubeconfig",
    context: "admin@production",
    authority: AUTHORITY,
    repositories: [{ host: SPEAKER.host, id: 7, machine: "production", refs: ["refs/heads/main"] }],
  };
  const withCluster = (changes: object = {}) =>
    DeployPolicy.parse({ ...policyJson(), clusters: { production: { ...cluster, ...changes } } });
  const deployed = (changes: Partial<DeployWork> = {}, speaker = SPEAKER) => {
    const asked = work({
      machine: { name: "production", hostKey: AUTHORITY },
      method: "kubernetes",
      action: { kind: "source", tree: "c".repeat(40) },
      health: [],
      backup: null,
      ...changes,
    });
    const judged = judgeDeploy(withCluster(), speaker, asked, NOON);
    return judged.kind === "refused" ? judged.why : judged.kind;
  };

  it("are known by their authority, and told beside machines", () => {
    expect(deployed()).toBe("cluster");
    expect(withCluster().clusters?.["production"]).toMatchObject({
      namespace: "snowcat",
      prune: false,
    });
    expect(targetsOf(withCluster(), SPEAKER.host)).toContainEqual({
      name: "production",
      hostKey: AUTHORITY,
      repositories: [7],
    });
  });

  it.each<[string, Partial<DeployWork>, RegExp, number?]>([
    [
      "another authority",
      { machine: { name: "production", hostKey: `SHA256:${"C".repeat(43)}` } },
      /names no machine/u,
    ],
    ["another repository", {}, /names no machine/u, 8],
    ["another ref", { ref: "refs/heads/feature" }, /may not be deployed to it/u],
    ["another method", { method: "script" }, /not be changed by script, only by kubernetes/u],
    ["a command", { backup: ["dump"] }, /is not listed/u],
  ])("are not open to %s", (_what, changes, why, repository = SPEAKER.repository) => {
    expect(deployed(changes, { ...SPEAKER, repository })).toMatch(why);
  });

  it("have one entry each", () => {
    const twice = { ...policyJson(), clusters: { a: cluster, b: cluster } };
    expect(DeployPolicy.safeParse(twice).success).toBe(false);
    expect(DeployPolicy.safeParse({ ...policyJson(), clusters: { web: cluster } }).success).toBe(
      false,
    );
  });
});
