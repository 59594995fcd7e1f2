import { createAppAuth } from "@octokit/auth-app";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CheckBody } from "../../../src/core/report/index.ts";
import { client, type Fixture, startFixture } from "../fixture.ts";
import type { Account } from "../index.ts";
import { BY_ANOTHER_COMMIT, BY_HEAD, byQueue, type Candidate, entered } from "./attempts.ts";
import { checksOf, KINDS, PLACES, VERDICTS } from "./verdicts.ts";

const REQUIRED = { whole: ["snowcat"], parts: ["snowcat / evaluation", "snowcat / build"] };
const SATISFYING = ["success", "neutral", "skipped"];
const at = { owner: "octo", repo: "flake" };
type Way = readonly [string, (one: Candidate) => Promise<void>];
const byHead: readonly Way[] = Object.entries(BY_HEAD);
const rows = PLACES.flatMap((place) => KINDS.map((kind) => ({ kind, place })));

/**
 * Every verdict × where it stands × every way onto a protected branch: no code gets in that was not judged good. What the
 * checks say is core's; what the branch takes is the double's; what is expected stands in a table by hand.
 * @param every all ways for each row; else the ways take turns, so that each row is tried and each way is gone.
 */
export function untested(every: boolean): void {
  let f: Fixture;
  let person: Account;
  let changes = 0;
  const seen = { rows: 0, attempts: 0, entered: 0 };
  beforeAll(async () => {
    f = await startFixture({ hourlyQuota: 1_000_000, events: [] });
    person = f.github.createAccount({ login: "writer" });
    f.github.setRole(f.repo, "writer", "write");
    protect(REQUIRED.whole);
  });
  afterAll(async () => {
    console.log(
      `${seen.rows} rows (verdict × place), ${seen.attempts} merge attempts, ${seen.entered} entered, as expected`,
    );
    await f.github.settled();
    const ledger = f.github.ledger();
    await f.close();
    expect(ledger).toEqual([]);
    expect(seen.rows).toBe(KINDS.length * PLACES.length);
  });

  function protect(names: string[]): void {
    const checks = names.map((context) => ({ context, appId: f.app.id }));
    f.github.protect(f.repo, "main", checks);
  }

  async function candidate(): Promise<Candidate> {
    changes += 1;
    const branch = `change-${changes}`;
    const file = `${branch}.nix`;
    const head = await f.github.commit(f.repo, { as: person, branch, files: { [file]: "{ }\n" } });
    const pull = await f.github.openPullRequest(person, f.repo, { head: branch });
    const { github, repo: repository } = f;
    return { github, repository, person, api: f.as(person), pull, head, file };
  }

  async function show(sha: string, checks: Record<string, CheckBody>): Promise<void> {
    for (const [name, { status, conclusion, title, summary, text }] of Object.entries(checks)) {
      if (status !== "completed" || conclusion === null) throw new Error(`${name} is not over`);
      const output = { title, summary, ...(text === null ? {} : { text }) };
      await f.bot.checks.create({ ...at, name, head_sha: sha, status, conclusion, output });
    }
  }

  /** Whether the change is on `main` after the attempt. */
  async function enters(one: Candidate, attempt: (one: Candidate) => Promise<void>) {
    await attempt(one);
    seen.attempts += 1;
    const got = await entered(one);
    if (got) seen.entered += 1;
    return got;
  }

  const enqueued = (check: (sha: string) => Promise<void>) => (one: Candidate) =>
    byQueue(one, check);

  /** Names of the ways by which it got in. */
  async function waysIn(one: Candidate, ways: readonly Way[] = byHead): Promise<string[]> {
    const found: string[] = [];
    for (const [way, attempt] of ways) if (await enters(one, attempt)) found.push(way);
    return found;
  }

  const turn = <T>(all: readonly T[], n: number): T[] =>
    every ? [...all] : all.slice(n % all.length, (n % all.length) + 1);
  const numbered = (may: boolean) =>
    rows
      .filter(({ kind, place }) => VERDICTS[kind].enters[place] === may)
      .map((row, n) => ({ ...row, n }));
  const blocked = numbered(false);

  describe("what was not judged good", () => {
    let one: Candidate;
    beforeAll(async () => {
      one = await candidate();
    });

    test.each(blocked)("$kind ($place) does not get in", async ({ kind, place, n }) => {
      seen.rows += 1;
      const checks = checksOf(kind, place);
      const parts = REQUIRED.parts.map((name) => checks[name]?.conclusion ?? "none");
      expect(parts.every((part) => SATISFYING.includes(part))).toBe(false);
      await show(one.head, checks);
      expect(await waysIn(one, turn(byHead, n))).toEqual([]);
      // The queue's groups are made by git each.
      if (!every && n % 12 !== 0) return;
      expect(
        await enters(
          one,
          enqueued((sha) => show(sha, checks)),
        ),
      ).toBe(false);
    });

    test("does not get in by a commit of its own, whatever the head's checks say", async () => {
      await show(one.head, checksOf("succeeded", "required"));
      expect(await waysIn(one, Object.entries(BY_ANOTHER_COMMIT))).toEqual([]);
      expect(seen.entered).toBe(0);
      // And it was not for another reason that nothing of it got in.
      expect(await enters(one, BY_HEAD["merge button"])).toBe(true);
    });
  });

  describe("what was judged good, or is required by nobody", () => {
    test.each(numbered(true))("$kind ($place) gets in", async ({ kind, place, n }) => {
      seen.rows += 1;
      const checks = checksOf(kind, place);
      expect(checks["snowcat"]?.conclusion).toBe("success");
      // Each has a change of its own to make; what the branch sees is the same for all of them.
      if (!every && n % 4 !== 0) return;
      for (const [way, attempt] of turn(byHead, n)) {
        const one = await candidate();
        expect(await waysIn(one, [[way, attempt]])).toEqual([]);
        await show(one.head, checks);
        expect(await enters(one, attempt), way).toBe(true);
      }
      if (!every && n % 16 !== 0) return;
      const one = await candidate();
      expect(
        await enters(
          one,
          enqueued((sha) => show(sha, checks)),
        ),
      ).toBe(true);
    });
  });

  describe("a success that does not speak for the commit does not let it in", () => {
    const good = () => checksOf("succeeded", "required");

    test("of an App that is not ours", async () => {
      const app = await f.github.createApp({
        owner: f.owner,
        slug: "other",
        webhookSecret: "other",
      });
      const { id: installationId } = f.github.install(app, f.owner);
      const auth = { appId: app.id, privateKey: app.privateKeyPem, installationId };
      const other = client(f.github, { authStrategy: createAppAuth, auth });
      const one = await candidate();
      const claim = async (sha: string) => {
        await other.checks.create({ ...at, name: "snowcat", head_sha: sha, conclusion: "success" });
      };
      await claim(one.head);
      expect(await waysIn(one)).toEqual([]);
      expect(await enters(one, enqueued(claim))).toBe(false);
    });

    test.each(["queued", "in_progress"] as const)("that is still %s", async (status) => {
      const one = await candidate();
      await f.bot.checks.create({ ...at, name: "snowcat", head_sha: one.head, status });
      expect(await waysIn(one)).toEqual([]);
    });

    test("of the head before the last push", async () => {
      const one = await candidate();
      await show(one.head, good());
      const branch = one.pull.pull.head.ref;
      const head = await f.github.commit(f.repo, { as: person, branch, files: { more: branch } });
      expect(await waysIn({ ...one, head })).toEqual([]);
    });

    test("of the pull request's head, for the queue's own commit", async () => {
      const one = await candidate();
      await show(one.head, good());
      expect(
        await enters(
          one,
          enqueued(async () => undefined),
        ),
      ).toBe(false);
    });

    test("that a failure followed; one that follows a failure does", async () => {
      const one = await candidate();
      await show(one.head, good());
      await show(one.head, checksOf("failed", "required"));
      expect(await waysIn(one)).toEqual([]);
      await show(one.head, good());
      expect(await enters(one, BY_HEAD["merge button"])).toBe(true);
    });
  });

  test("who requires the two parts instead of the whole is as safe", async () => {
    protect(REQUIRED.parts);
    const one = await candidate();
    for (const { kind, place } of every ? blocked : blocked.filter(({ n }) => n % 12 === 0)) {
      await show(one.head, checksOf(kind, place));
      expect(await enters(one, BY_HEAD["merge button"]), `${kind} (${place})`).toBe(false);
      // The next one's checks may be fewer: nothing of this one's stands for them.
      const branch = one.pull.pull.head.ref;
      const head = await f.github.commit(f.repo, { as: person, branch, files: { kind, place } });
      Object.assign(one, { head });
    }
    await show(one.head, checksOf("succeeded", "required"));
    expect(await enters(one, BY_HEAD["merge button"])).toBe(true);
    protect(REQUIRED.whole);
  });
}
