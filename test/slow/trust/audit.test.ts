import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RefusalRow } from "../../../src/bot/objects/audit.ts";
import type { MachineSpecification, Specification } from "../../../src/protocol/specification.ts";
import { Agent } from "../../../src/runner/agent/agent.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import { LocalRecords, machineJobs } from "../../../src/runner/deploy/index.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import { fingerprint } from "../../../src/runner/deploy/policy/host-key.ts";
import { plainIsolation } from "../../../src/runner/isolation/isolation.ts";
import { startGitHub, type GitHub } from "../../github/index.ts";
import {
  BUILDER,
  HOST_KEYS,
  policyJson,
  SHA,
  signedManifest,
  work,
} from "../../runner/deploy/support.ts";
import { eventually } from "../../demo/stage.ts";
import { type RunningWorker, startWorker } from "../../support/worker.ts";
import { Between } from "./between.ts";
import { enrol, RawRunner, sayToRun } from "./raw-runner.ts";

/**
 * Whatever a control plane may be made to say, or a runner: what is refused, by whom, and the reason in the account's audit log.
 * A real Worker and a real agent; between them somebody who has the control plane's signing key. Nothing is ever connected to.
 */

let github: GitHub;
let worker: RunningWorker;
let between: Between;
let agent: Agent;
let identity: Awaited<ReturnType<typeof enrol>>["identity"];
let account: number;
let repository: { id: number; name: string };
let push: () => Promise<unknown>;
let directory: string;
const connected: string[] = [];
const table: { what: string; by: string; refused: string; reason: string }[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-trust-"));
  github = await startGitHub();
  const owner = github.createAccount({ login: "acme" });
  account = owner.id;
  const webhookSecret = randomBytes(24).toString("hex");
  const app = await github.createApp({ owner, webhookSecret });
  worker = await startWorker({
    github: { url: github.url, appId: app.id, privateKeyPem: app.privateKeyPem, webhookSecret },
    allowedAccounts: [owner.id],
  });
  github.setHook(app, { url: `${worker.url}/github/webhook` });
  github.install(app, owner);
  const made = await github.createRepository({ owner, name: "fleet", files: { a: "1\n" } });
  repository = made;
  push = async () =>
    await github.commit(made, { branch: "main", files: { a: "2\n" }, as: owner, message: "2" });
  between = await Between.start(worker.url, worker.specificationKey);
  const enrolled = await enrol(worker, owner.id, "deploy");
  identity = enrolled.identity;
  agent = await startAgent(enrolled);
}, 120_000);
afterAll(async () => {
  const width = Math.max(...table.map(({ what }) => what.length));
  console.log(
    [
      "what | refused by | as | reason in the audit log",
      ...table.map(
        ({ what, by, refused, reason }) =>
          `${what.padEnd(width)} | ${by.padEnd(6)} | ${refused.padEnd(9)} | ${reason}`,
      ),
    ].join("\n"),
  );
  await agent?.stop();
  await between?.close();
  await worker?.stop();
  await github?.close();
  await rm(directory, { recursive: true, force: true });
});

/** A deploy runner whose policy lets repository 7 of github.com change `web` from `main` and release branches. */
async function startAgent(enrolled: Awaited<ReturnType<typeof enrol>>): Promise<Agent> {
  const { machines, builders } = policyJson();
  const { windows, ...web } = machines.web;
  const policy = DeployPolicy.parse({
    machines: { web, db: { ...machines.db, windows } },
    builders,
  });
  const welcome = Promise.withResolvers<void>();
  const started = await Agent.start({
    url: between.url,
    directory,
    ...enrolled,
    version: "test",
    slots: 4,
    systems: ["x86_64-linux"],
    features: [],
    minimumFreeBytes: 0,
    secrets: [],
    isolation: plainIsolation({}),
    runJob: (specification, context) => run(specification as MachineSpecification, context),
    clock: systemClock,
    say: (line) => {
      if (line.startsWith("connected")) welcome.resolve();
    },
  });
  const run = machineJobs({
    policy: async () => policy,
    records: new LocalRecords(directory),
    connect: async (target) => {
      connected.push(target.address);
      throw new Error("nothing of this is to reach a machine");
    },
    store: { nixStore: "nix-store", url: null, env: {} },
    env: {},
    clock: systemClock,
  });
  await welcome.promise;
  return started;
}

async function audit(): Promise<RefusalRow[]> {
  const response = await fetch(`${worker.url}/operator/accounts/${account}/audit?limit=1000`, {
    headers: { authorization: `Bearer ${worker.operatorSecret}` },
  });
  return ((await response.json()) as { audit: RefusalRow[] }).audit;
}

/** Waits for a new line about the job that fits, and takes it into the table. */
async function line(what: string, fits: (row: RefusalRow) => boolean): Promise<RefusalRow> {
  let found: RefusalRow | undefined;
  await eventually(
    async () => {
      found = (await audit()).find(fits);
      return found !== undefined;
    },
    `the audit log has: ${what}`,
    audit,
    30_000,
  );
  if (found === undefined) throw new Error("unreachable");
  table.push({ what, by: found.by, refused: found.what, reason: found.reason });
  return found;
}

let runs = 0;
/** As the control plane writes them, for a deploy of `web` that the runner's policy allows. */
function specification(change: Partial<Specification> = {}): Specification {
  runs += 1;
  const now = Date.now();
  return {
    protocol: 1,
    host: "github.com",
    account,
    repository: { id: 7, owner: "acme", name: "fleet", private: false },
    run: `7-${runs}`,
    job: `7-${runs}.1`,
    attempt: 1,
    runner: identity.runner,
    pool: "deploy",
    policy: "a".repeat(64),
    issuedAt: now,
    expiresAt: now + 60_000,
    work: work({}),
    ...change,
  };
}

const PINNED = "no pinned key signed the specification";

it("a forged and an altered specification", async () => {
  const forged = specification();
  const stranger = generateKeyPairSync("ed25519").privateKey;
  between.offer(
    forged,
    sign(null, Buffer.from(JSON.stringify(forged)), stranger).toString("base64"),
  );
  expect((await line("forged: signed by a stranger", ({ job }) => job === forged.job)).reason).toBe(
    PINNED,
  );
  const signed = specification();
  const altered = { ...signed, job: specification().job, work: work({ ref: "refs/heads/other" }) };
  between.offer(altered, between.signature(JSON.stringify(signed)));
  expect(
    (await line("altered: another ref under its signature", ({ job }) => job === altered.job))
      .reason,
  ).toBe(PINNED);
});

it("an expired one, and one that was obeyed before", async () => {
  const expired = specification({ issuedAt: 1_000, expiresAt: 2_000 });
  between.offer(expired);
  expect(await line("expired, and signed", ({ job }) => job === expired.job)).toMatchObject({
    what: "expired",
    reason: "it has expired",
  });
  // Refused by the policy once; and what is sent again is not even asked that.
  const once = specification({ work: work({ ref: "refs/heads/other" }) });
  between.offer(once);
  await eventually(
    async () => (await audit()).some(({ job, what }) => job === once.job && what === "policy"),
    "it was taken",
    audit,
  );
  between.offer(once);
  await line(
    "replayed, while it is valid still",
    ({ job, what }) => job === once.job && what === "replayed",
  );
});

it.each([
  ["for another host", { host: "github.example" }, "host"],
  ["for another account", { account: 1 }, "account"],
  ["for another runner", { runner: "other" }, "runner"],
  ["for another pool", { pool: "trusted" }, "pool"],
] as const)("one %s", async (name, change, what) => {
  const spec = specification(change);
  between.offer(spec);
  expect(await line(`signed, ${name}`, ({ job }) => job === spec.job)).toMatchObject({
    by: "runner",
    what,
  });
});

const COLMENA = { kind: "colmena" as const, directory: ".", node: "web" };
const TREE = {
  cloneUrl: "https://github.com/acme/fleet.git",
  ref: "refs/heads/main",
  sha: SHA,
  tree: "c".repeat(40),
  revision: false,
};
const other = signedManifest(generateKeyPairSync("ed25519").privateKey);
const check = {
  kind: "command" as const,
  argv: ["rm", "-rf", "/"],
  graceSeconds: 1,
  intervalSeconds: 1,
  timeoutSeconds: 1,
};
it.each([
  [
    "of another repository, for this machine",
    { repository: { id: 8, owner: "o", name: "r", private: false } },
    /names no machine web/u,
  ],
  [
    "for a machine of this repository by another's host key",
    { work: work({ machine: { name: "web", hostKey: fingerprint(HOST_KEYS.other) } }) },
    /names no machine web/u,
  ],
  [
    "for a ref that may not be deployed",
    { work: work({ ref: "refs/heads/feature" }) },
    /refs\/heads\/feature may not be deployed/u,
  ],
  [
    "for a way back that is not among its kinds",
    {
      work: work({
        machine: { name: "db", hostKey: fingerprint(HOST_KEYS.db) },
        action: { kind: "generation", number: null, system: null },
      }),
    },
    /rollback is not among/u,
  ],
  [
    "by a method that is not listed",
    { work: work({ method: "colmena", tool: COLMENA, source: TREE }) },
    /may not be changed by colmena/u,
  ],
  [
    "of a builder that is not listed",
    { work: work({ action: { kind: "system", system: other.head.system, manifest: other.head } }) },
    /builder that is not listed/u,
  ],
  ["with a command that is not listed", { work: work({ health: [check] }) }, /"rm","-rf","\/"/u],
] as const)("a valid signature %s", async (name, change, reason) => {
  const spec = specification(change as Partial<Specification>);
  between.offer(spec);
  const row = await line(
    `signed, ${name}`,
    ({ job, what }) => job === spec.job && what !== "stale",
  );
  expect(row).toMatchObject({
    by: "runner",
    what: "policy",
    reason: expect.stringMatching(reason),
  });
});

it("a manifest that its builder did not sign, or signed for another commit", async () => {
  between.manifest = BUILDER.text.replace("units", "other");
  const spec = specification();
  between.offer(spec);
  expect(
    (
      await line(
        "signed, with an altered manifest",
        ({ job, what }) => job === spec.job && what !== "stale",
      )
    ).what,
  ).toBe("manifest");
  between.manifest = BUILDER.text;
  const another = specification({ work: work({ sha: "b".repeat(40) }) });
  between.offer(another);
  const row = await line(
    "signed, with the manifest of another commit",
    ({ job, what }) => job === another.job && what !== "stale",
  );
  expect(row).toMatchObject({
    what: "manifest",
    reason: expect.stringContaining("another repository, commit, machine or system"),
  });
  expect(SHA).not.toBe("b".repeat(40));
});

it("frames of an old attempt, on either channel, and of a job that nobody gave out", async () => {
  const runner = await RawRunner.connect(worker, await enrol(worker, account, "trusted"));
  try {
    await push();
    const first = await runner.offer(1);
    expect(first.job.startsWith(`${repository.id}-`)).toBe(true);
    runner.tell({ kind: "decline", reason: "no free slot" }, { job: first.job, attempt: 1 });
    const second = await runner.offer(2);
    expect(second.job).toBe(first.job);
    const about = { job: first.job, attempt: 1 };
    const verdict = { kind: "succeeded", reused: false } as const;
    runner.tell({ kind: "finished", verdict, digest: "a".repeat(64) }, about);
    await line(
      "the end of an old attempt",
      ({ job, by, reason }) =>
        job === first.job && by === "fleet" && reason.startsWith("finished: "),
    );
    const reply = await sayToRun(
      worker,
      first.token,
      { kind: "attributes", attributes: [] },
      about,
    );
    expect(reply.kind).toBe("stale");
    await line("results of an old attempt", ({ job, by }) => job === first.job && by === "run");
    runner.tell({ kind: "started" }, { job: "1-1.1", attempt: 1 });
    await line(
      "an attempt that nobody gave out",
      ({ job, by }) => job === "1-1.1" && by === "fleet",
    );
  } finally {
    runner.close();
  }
});

it("nothing of all this was connected to, and each line is there once", async () => {
  expect(connected).toEqual([]);
  expect(table).toHaveLength(20);
  // What passes the judgement does connect: the runner is no wall.
  between.manifest = BUILDER.text;
  between.offer(specification());
  await eventually(() => connected.length > 0, "an honest deploy is tried", audit);
});
