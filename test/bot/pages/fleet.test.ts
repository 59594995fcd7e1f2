import { env } from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Environment } from "../../../src/bot/environment.ts";
import type { FleetView } from "../../../src/bot/objects/contracts.ts";
import { pages } from "../../../src/bot/pages/pages.tsx";
import type { TicketRow } from "../../../src/core/deploy/index.ts";

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`;
const OLD = `/nix/store/${"0".repeat(32)}-nixos-old`;
const ticket = (over: Partial<TicketRow>): TicketRow => ({
  key: "42-7/forward/web1",
  order: 1,
  run: "42-7",
  machine: "web1",
  owner: { repository: 42, pull: 5, by: "ann" },
  purpose: "deploy",
  method: "plain",
  sha: "a".repeat(40),
  system: OLD,
  expected: null,
  force: false,
  state: "ended",
  counter: 12,
  before: null,
  step: "read-back",
  askedAt: 0,
  changedAt: 0,
  outcome: { kind: "active", system: OLD, generation: 2, notices: [], running: OLD },
  ...over,
});

let fleet: FleetView | null;
let seen: { ok: boolean; value: { private: boolean } };
let made: string[];
let environment: Environment;
beforeEach(() => {
  vi.restoreAllMocks();
  made = [];
  seen = { ok: true, value: { private: false } };
  fleet = {
    identity: {
      host: "github.com",
      account: { id: 1, login: "o" },
      installation: 7,
      repository: {
        id: 42,
        owner: "o",
        name: "r",
        private: false,
        defaultBranch: "main",
        cloneUrl: "https://github.example/o/r",
      },
    },
    head: "b".repeat(40),
    machines: [
      {
        name: "web1",
        hostKey: `SHA256:${"w".repeat(43)}`,
        online: true,
        wanted: { system: `/nix/store/${"1".repeat(32)}-nixos-main`, sha: "b".repeat(40) },
        drift: [{ machine: "web1", kind: "behind", why: `It runs ${hostile}` }],
        view: {
          counter: 12,
          unreachable: { since: 0, why: `no route ${hostile}` },
          observation: {
            at: Date.now() - 7_200_000,
            system: OLD,
            booted: OLD,
            profile: { number: 2, system: OLD, at: 1 },
            generations: [],
            failedUnits: [hostile],
            nix: { freeBytes: 5 * 1_024 ** 3, freeInodes: 1 },
            boot: null,
            counter: 12,
            unfinished: null,
            updaters: ["comin.service"],
            bootId: "x",
          },
          keeps: [
            {
              kind: "hold",
              order: 1,
              owner: { repository: 42, pull: null, by: hostile },
              reason: hostile,
              run: null,
              at: 0,
            },
          ],
          open: [ticket({ state: "begun", outcome: null, counter: 13, step: "copy" })],
          history: [
            ticket({}),
            ticket({
              owner: { repository: 9, pull: null, by: "" },
              run: "0-0",
              counter: 11,
              outcome: { kind: "held", why: "their secret", running: null },
            }),
          ],
        },
      },
      {
        name: "db1",
        hostKey: `SHA256:${"d".repeat(43)}`,
        online: false,
        wanted: null,
        drift: [],
        view: null,
      },
    ],
  };
  const space = (kind: string, object: unknown) => ({
    getByName: (name: string) => (made.push(`${kind} ${name}`), object),
  });
  environment = {
    ...env,
    GITHUB_HOST: "github.com",
    DEMO_BANNER: undefined,
    REPO: space("repo", { fleet: () => Promise.resolve(fleet) }),
    WRITER: space("writer", { visibility: () => Promise.resolve(seen) }),
    INDEX: {
      prepare: () => ({
        bind: (id: number) => ({
          first: () => Promise.resolve(id === 42 ? { private: 0 } : null),
        }),
      }),
    },
    // Stand-ins for bindings: only what pages call.
  } as unknown as Environment;
});

const get = (path: string) => pages.request(path, {}, environment);
const body = async (path: string) => (await get(path)).text();

describe("the fleet's page", () => {
  it("lists the machines with what they run, who keeps them and what drifts", async () => {
    const text = await body("/fleet/42");
    for (const part of [
      "2 machines",
      "1 not what the default branch says",
      'href="/fleet/42/web1"',
      "00000000…-nixos-old",
      "2 h 0 min ago; does not answer",
      "begun deploy 13 at copy",
      "hold",
      "12 active",
      "behind",
      "never",
      "no runner is here",
    ])
      expect(text).toContain(part);
  });
});

describe("a machine's page", () => {
  it("has its state, what it said, its deploys, and what drifts", async () => {
    const text = await body("/fleet/42/web1");
    for (const part of [
      `SHA256:${"w".repeat(43)}`,
      "hold by",
      "since 1970-01-01T00:00:00Z",
      "comin.service",
      "generation 2",
      "5.0 GiB",
      'href="/runs/42-7"',
      "11111111…-nixos-main",
    ])
      expect(text).toContain(part);
  });

  it("has nothing of another repository's deploys but that they were", async () => {
    const text = await body("/fleet/42/web1");
    expect(text).toContain("another repository");
    expect(text).not.toContain("their secret");
    expect(text).not.toContain("/runs/0-0");
  });

  it("of a machine that nothing was ever done with is a page too, of none there is none", async () => {
    expect((await get("/fleet/42/db1")).status).toBe(200);
    expect((await get("/fleet/42/other")).status).toBe(404);
  });
});

describe("both", () => {
  const paths = ["/fleet/42", "/fleet/42/web1"];

  it.each(paths)("%s: whatever machines and people wrote is text", async (path) => {
    const response = await get(path);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    const text = await response.text();
    expect(text).not.toContain("<script>alert");
    expect(text).not.toContain("<img");
  });

  it.each(paths)(
    "%s: what is private, unknown or not to be found out is one answer",
    async (path) => {
      const unknown = await body("/fleet/41");
      expect(made).toEqual([]);
      for (const hide of [
        () => (fleet = fleet && hidden(fleet)),
        () => (fleet = null),
        () => (seen = { ok: true, value: { private: true } }),
        () => (seen = { ok: false, value: { private: false } }),
      ]) {
        const was = fleet;
        hide();
        const response = await get(path);
        expect([response.status, await response.text()]).toEqual([404, unknown]);
        fleet = was;
      }
      for (const wrong of ["/fleet/0", "/fleet/-1", "/fleet/42a", "/fleet/1e3/web1"])
        expect((await get(wrong)).status).toBe(404);
    },
  );
});

function hidden(view: FleetView): FleetView {
  const { identity } = view;
  return {
    ...view,
    identity: { ...identity, repository: { ...identity.repository, private: true } },
  };
}
