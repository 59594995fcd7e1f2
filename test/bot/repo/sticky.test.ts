import { reset } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { DesiredComment, DesiredReaction } from "../../../src/bot/objects/contracts.ts";
import { Fleet } from "../../../src/bot/objects/fleet/fleet.ts";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import { type Called, forbidNetwork, recordRuns, repoStub, settled } from "../support/objects.ts";
import { A, B, C, checkRun, comment, OWNER, pull } from "../support/payloads.ts";

const ID = 212;
const repo = () => repoStub(ID);
let calls: Called[] = [];
const starts = () => calls.flatMap((called) => (called.call === "start" ? [called.request] : []));
/** What the Writer was wished to say. */
let said: (DesiredReaction | DesiredComment)[] = [];
const sticky = () => said.filter((one) => one.kind === "sticky").at(-1);

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  calls = recordRuns();
  forbidNetwork();
  said = [];
  vi.spyOn(Writer.prototype, "role").mockResolvedValue({ ok: true, value: "write" });
  stands(C);
  vi.spyOn(Writer.prototype, "file").mockResolvedValue({ ok: false, missing: true });
  vi.spyOn(Writer.prototype, "say").mockImplementation(
    async (what) =>
      void said.push(...what.filter((one) => one.kind !== "deployment" && one.kind !== "issue")),
  );
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

/** The pull request's head, as GitHub has it. */
function stands(head: string): void {
  const about = { headRef: "topic", base: B, baseRef: "main", fork: false, draft: false };
  vi.spyOn(Writer.prototype, "pull").mockResolvedValue({
    ok: true,
    value: { ...about, author: "ada", state: "open", head, merge: { kind: "pending" } },
  });
}

const bring = async (event: string, payload: object) => {
  expect((await deliver(event, payload, {})).status).toBe(202);
  await settled(repo());
};

describe("the sticky comment", () => {
  test("has what runs say beside the commands; an older run's word does not come after a newer's", async () => {
    await bring("pull_request", pull({ repository: ID }));
    await bring(
      "pull_request",
      pull({
        repository: ID,
        action: "synchronize",
        head: C,
        before: A,
        updatedAt: "2026-01-01T00:00:09Z",
      }),
    );
    await repo().section(`${ID}-2`, "impact", "### Impact\n\nNothing changes.");
    await repo().section(`${ID}-1`, "impact", "### Impact\n\nEverything changes.");
    await bring("issue_comment", comment({ repository: ID, body: "/status" }));
    const body = String(sticky() && "body" in sticky()! ? (sticky() as DesiredComment).body : "");
    expect(body).toContain("Nothing changes.");
    expect(body).not.toContain("Everything changes.");
    expect(body).toContain("/status");
    const versions = said.flatMap((one) => (one.kind === "sticky" ? [one.version] : []));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    await repo().section(`${ID}-2`, "impact", null);
    await settled(repo());
    expect((sticky() as DesiredComment).body).not.toContain("Impact");
  });

  test("does not go on saying what holds no more", async () => {
    await bring("pull_request", pull({ repository: ID }));
    await repo().section(`${ID}-1`, "notices", "### Configuration\n\n- changed");
    await settled(repo());
    expect((sticky() as DesiredComment).body).toContain("changed");
    await repo().section(`${ID}-1`, "notices", null);
    await settled(repo());
    expect((sticky() as DesiredComment).body).toBe(
      "There is nothing to say about this pull request now.",
    );
    expect(said).toHaveLength(2);
  });

  test("is not about an earlier head, though its run was asked for again and is the newest", async () => {
    await bring("pull_request", pull({ repository: ID }));
    const later = { action: "synchronize", head: C, before: A, updatedAt: "2026-01-01T00:00:09Z" };
    await bring("pull_request", pull({ repository: ID, ...later }));
    await repo().section(`${ID}-2`, "notices", "### Configuration\n\nof the head");
    await bring(
      "check_run",
      checkRun({
        repository: ID,
        action: "rerequested",
        head: A,
        externalId: `check:${ID}-1:snowcat`,
      }),
    );
    expect(starts().map(({ reason }) => reason.head)).toEqual([A, C, A]);
    await repo().section(`${ID}-3`, "notices", "### Configuration\n\nof an earlier one");
    await settled(repo());
    expect((sticky() as DesiredComment).body).toContain("of the head");
  });

  test("has the plan of the head as it stands, and of no earlier one", async () => {
    stands(A);
    await bring("pull_request", pull({ repository: ID }));
    vi.spyOn(Fleet.prototype, "machines").mockResolvedValue([
      { name: "web1", hostKey: `SHA256:${"w".repeat(43)}`, online: true },
    ]);
    await bring("issue_comment", comment({ repository: ID, body: `/plan ${A}` }));
    const [, plan] = starts();
    expect(plan?.reason).toMatchObject({ kind: "deploy", what: { kind: "plan" }, head: A });
    await repo().section(String(plan?.run), "plan", "### Plan\n\nweb1 would change.");
    await settled(repo());
    expect((sticky() as DesiredComment).body).toContain("web1 would change.");
    stands(C);
    const later = { action: "synchronize", head: C, before: A, updatedAt: "2026-01-01T00:00:09Z" };
    await bring("pull_request", pull({ repository: ID, ...later }));
    await bring("issue_comment", comment({ repository: ID, body: "/status", id: 9_001 }));
    expect((sticky() as DesiredComment).body).not.toContain("web1 would change.");
    // The answer of what was planned before comes late.
    await repo().section(String(plan?.run), "plan", "### Plan\n\nlate");
    await settled(repo());
    expect((sticky() as DesiredComment).body).not.toContain("late");
  });

  test("is not made for a pull request of which there is nothing to say", async () => {
    await bring("pull_request", pull({ repository: ID }));
    await repo().section(`${ID}-1`, "impact", null);
    await settled(repo());
    expect(said).toEqual([]);
  });
});
