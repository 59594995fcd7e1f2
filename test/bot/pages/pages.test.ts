import { env } from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Environment } from "../../../src/bot/environment.ts";
import { pages } from "../../../src/bot/pages/pages.tsx";
import { textOf } from "../../../src/bot/pages/text.ts";
import { knownProvenance } from "../support/builder.ts";
import type { Impact, ShownMachine } from "../../../src/core/impact/index.ts";
import type { AttributeView, RunView } from "../../../src/bot/objects/contracts.ts";

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`;
let seen:
  | { ok: true; value: { private: boolean; owner: string; name: string } }
  | { ok: false; missing: boolean };
let made: string[];
let log: {
  data: Uint8Array;
  next: number;
  closed: { size: number; sha256: string; dropped: number } | null;
} | null;
let impact: Impact | null;
let environment: Environment;

const view: RunView = {
  run: "42-1",
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
  reason: { kind: "push", ref: `refs/heads/${hostile}`, head: "1".repeat(40), before: null },
  state: "building",
  createdAt: 0,
  finishedAt: null,
  head: "1".repeat(40),
  merge: null,
  tree: null,
  pool: "trusted",
  conclusion: null,
  jobs: [
    { job: "42-1.1", kind: "evaluate", attempt: 2, state: "running", runner: "r1", verdict: null },
  ],
  counts: { succeeded: 1 },
  notices: [hostile],
};
const attributes: AttributeView[] = [
  {
    index: 1,
    name: hostile,
    path: [hostile],
    selection: 0,
    system: "x86_64-linux",
    drv: null,
    required: true,
    verdict: {
      kind: "evaluation-error",
      message: hostile,
      position: { file: hostile, line: 1, column: null },
    },
    seconds: 0,
    log: { job: "42-1.1", attempt: 1, stream: "job" },
  },
];

beforeEach(() => {
  vi.restoreAllMocks();
  seen = { ok: true, value: { private: false, owner: "o", name: "r" } };
  made = [];
  impact = null;
  log = {
    data: new TextEncoder().encode(`${hostile}\n\u001b[31mred\u001b[0m\n`),
    next: 70,
    closed: null,
  };
  const space = (kind: string, object: unknown) => ({
    getByName: (name: string) => (made.push(`${kind} ${name}`), object),
  });
  environment = {
    ...env,
    GITHUB_HOST: "github.com",
    DEMO_BANNER: undefined,
    RUN: space("run", {
      view: () => Promise.resolve(view),
      attributes: () => Promise.resolve(attributes),
      impact: () => Promise.resolve(impact),
    }),
    WRITER: space("writer", { visibility: () => Promise.resolve(seen) }),
    LOG: space("log", {
      read: () => Promise.resolve(log),
      streams: () =>
        Promise.resolve([
          { stream: "job", size: 1, closed: false },
          { stream: "being-written.drv", size: 1, closed: false },
          { stream: "closed.drv", size: 1, closed: true },
        ]),
    }),
    INDEX: {
      prepare: () => ({
        bind: (id: string) => ({
          first: () => Promise.resolve(id === "42-1" ? { private: 0 } : null),
        }),
      }),
    },
    // Stand-ins for bindings: only what pages call.
  } as unknown as Environment;
});

const get = (path: string) => pages.request(path, {}, environment);

describe("a run's page", () => {
  it("says who built what, and has the whole statement as JSON", async () => {
    const drv = `/nix/store/${"0".repeat(32)}-a.drv`;
    const provenance = knownProvenance(drv);
    provenance.outputs[0]!.name = hostile;
    const built: AttributeView = {
      index: 500,
      name: "a",
      path: ["a"],
      selection: 0,
      system: null,
      drv,
      required: true,
      verdict: { kind: "succeeded", reused: true },
      seconds: 0,
      log: null,
      provenance,
    };
    attributes.push(built);
    try {
      const body = await (await get("/runs/42-1")).text();
      expect(body).toContain(provenance.outputs[0]!.narHash.replaceAll("+", "&#43;").slice(0, 20));
      expect(body).toContain(provenance.sha);
      expect(body).not.toContain("<script>alert");
      const answer = await get("/runs/42-1/attributes.json");
      expect(answer.headers.get("content-type")).toContain("application/json");
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(await answer.json()).toEqual({
        host: "github.com",
        repository: 42,
        attributes: [...attributes],
        next: null,
      });
    } finally {
      attributes.pop();
    }
    seen = { ok: true, value: { private: true, owner: "o", name: "r" } };
    expect((await get("/runs/42-1/attributes.json")).status).toBe(404);
  });

  it("shows names as text under a policy without inline script", async () => {
    const answer = await get("/runs/42-1");
    const body = await answer.text();
    expect(answer.status).toBe(200);
    expect(body).not.toContain("<script>alert");
    expect(body).not.toContain("<img");
    expect(body).toContain("&lt;script&gt;");
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    });
  });

  it("of machines says what began it, and leads to them", async () => {
    const was = view.reason;
    view.reason = {
      kind: "deploy",
      head: "1".repeat(40),
      ref: "refs/heads/main",
      pull: null,
      key: "push:web:1",
      what: { kind: "deploy", targets: ["*"], force: false },
      begun: { by: "push", rollout: hostile },
    };
    try {
      const body = await (await get("/runs/42-1")).text();
      expect(body).toContain("deploy, begun by push for the rollout &lt;script&gt;");
      expect(body).toContain('href="/fleet/42"');
      expect(body).not.toContain("<script>alert");
    } finally {
      view.reason = was;
    }
  });

  it("is the same 404 for what is unknown, private, or cannot be asked for", async () => {
    const unknown = await (await get("/runs/42-999")).text();
    expect(made).toEqual([]);
    for (const change of [
      { ok: true as const, value: { private: true, owner: "o", name: "r" } },
      { ok: false as const, missing: true },
      { ok: false as const, missing: false },
    ]) {
      seen = change;
      const answer = await get("/runs/42-1");
      expect(answer.status).toBe(404);
      expect(await answer.text()).toBe(unknown);
    }
    expect((await get("/runs/..%2fx")).status).toBe(404);
  });

  it("says what is flaky, with both logs, and shows an earlier run's log as that", async () => {
    const evidence = (run: string, stream: string | null) => ({
      run,
      at: 1,
      log: stream === null ? null : { job: `${run}.2`, attempt: 1, stream },
    });
    const proof = {
      failed: evidence("42-7", "a.drv"),
      passed: evidence("42-8", null),
      failures: 1,
      passes: 3,
    };
    const flake = { drv: "x", attribute: hostile, times: 2 };
    const one: AttributeView = {
      ...attributes[0]!,
      verdict: { kind: "succeeded", reused: true },
      log: { job: "42-6.2", attempt: 1, stream: "old.drv" },
      flake: { ...flake, proof },
    };
    attributes.push(one, { ...one, log: null, flake: { ...flake, proof: null } });
    try {
      const body = await (await get("/runs/42-1")).text();
      expect(body).toContain('<a href="/runs/42-7/logs/42-7.2/1/a.drv">failed</a>');
      expect(body).toContain('<a href="/runs/42-8">passed</a>');
      expect(body).toContain(
        '<a href="/runs/42-6/logs/42-6.2/1/old.drv">log of an earlier run</a>',
      );
      expect(body).toContain('<a href="/runs/42-1/logs/42-1.1/1/job">log</a>');
      expect(body).toMatch(/failed\s+in 1 of 4 builds/u);
      expect(body).toContain("known to be flaky");
      expect(body).not.toContain("<script>alert");
    } finally {
      attributes.splice(1);
    }
  });

  it("names every machine that was compared, what needs looking at first, and what changes inside", async () => {
    const machine = (name: string, change: ShownMachine["change"]): ShownMachine => ({
      machine: name,
      selection: "flake:.",
      attribute: `nixosConfigurations.${name}`,
      change,
      before: null,
      after: null,
      difference: null,
      error: change === "broken" ? hostile : null,
      tags: [hostile],
    });
    const drv = (name: string) => `/nix/store/${"0".repeat(32)}-${name}.drv`;
    impact = {
      base: "3".repeat(40),
      built: "2".repeat(40),
      state: { kind: "compared", looking: true, left: hostile },
      difference: {
        of: 3_000,
        changed: 1,
        added: 1,
        removed: 0,
        names: [{ kind: "changed", name: hostile }],
      },
      machines: [
        ...Array.from({ length: 2_000 }, (_, n) => machine(`same-${n}`, "same")),
        {
          ...machine(hostile, "changed"),
          difference: {
            before: drv("a"),
            after: drv("b"),
            derivation: {
              kind: "known",
              changed: 1,
              added: 0,
              removed: 0,
              inputs: [{ before: null, after: hostile }],
              origins: [{ before: hostile, after: hostile, differs: [hostile] }],
              bounded: true,
            },
            closure: {
              kind: "known",
              before: { paths: 10, bytes: 2_048 },
              after: { paths: 11, bytes: 4_096 },
              added: 0,
              removed: 0,
              changed: 1,
              packages: [{ name: "nginx", before: ["1.24"], after: ["1.26", ""], bytes: 2_048 }],
            },
          },
        },
        machine("ill", "broken"),
      ],
      uncovered: [hostile],
      revision: "mixed",
      url: "",
    };
    const body = await (await get("/runs/42-1")).text();
    expect(body).not.toContain("<script>alert");
    expect(body).not.toContain("<img");
    expect(body).toContain("<strong>2 of 2002 machines change.</strong>");
    expect(body.match(/<code>same-\d+<\/code>/gu)).toHaveLength(2_000);
    const order = ["cannot be evaluated", "10 → 11 paths, 2.0 KiB → 4.0 KiB", ">same-0<"];
    const places = order.map((text) => body.indexOf(text));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(body).toContain("1.26, (no version)");
    expect(body).toContain("+2.0 KiB");
    // Once is enough.
    expect(await (await get("/runs/42-1?after=500")).text()).not.toContain("same-0");

    impact = { ...impact, state: { kind: "unknown", why: "No runner." }, difference: null };
    expect(await (await get("/runs/42-1")).text()).toContain("Unknown. No runner.");
  });

  it("says when it is a demo", async () => {
    environment = { ...environment, DEMO_BANNER: "No isolation" };
    expect(await (await get("/runs/42-1")).text()).toContain("No isolation");
  });
});

describe("a log's page", () => {
  it("is text, without terminal sequences, and goes on from where it was", async () => {
    const body = await (await get("/runs/42-1/logs/42-1.1/1/job")).text();
    expect(body).not.toContain("<script>alert");
    expect(body).not.toContain("\u001b");
    expect(body).toContain('data-next="70"');
    const raw = await get("/runs/42-1/logs/42-1.1/1/job/raw?from=0");
    expect(raw.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(raw.headers.get("x-snowcat-closed")).toBe("no");
    log = {
      data: new Uint8Array(),
      next: 70,
      closed: { size: 70, sha256: "0".repeat(64), dropped: 0 },
    };
    expect(
      (await get("/runs/42-1/logs/42-1.1/1/job/raw?from=70")).headers.get("x-snowcat-closed"),
    ).toBe("yes");
    expect(await (await get("/runs/42-1/logs/42-1.1/1/job?from=70")).text()).not.toContain(
      "data-next",
    );
  });

  it("makes no object for an attempt that never was", async () => {
    for (const path of [
      "/runs/42-1/logs/42-1.1/3/job",
      "/runs/42-1/logs/42-1.9/1/job",
      "/runs/42-1/logs/43-1.1/1/job",
      "/runs/42-1/logs/42-1.1/1/a%2fb",
      "/runs/42-1/logs/42-1.1/x/job",
    ]) {
      expect((await get(path)).status).toBe(404);
    }
    expect(made.filter((name) => name.startsWith("log"))).toEqual([]);
  });
});

describe("a chunk of a log", () => {
  it("keeps a character or a sequence that was cut for the next one", () => {
    const bytes = new TextEncoder().encode("aé\u001b[1mb");
    let text = "";
    for (let size = 1; size <= 3; size += 1) {
      text = "";
      for (let from = 0, end = size; from < bytes.length; end += size) {
        const read = textOf(bytes.subarray(from, end), end >= bytes.length);
        text += read.text;
        from += read.used;
        if (end > 100) throw new Error("no end");
      }
      expect(text).toBe("aéb");
    }
  });
});
