import { env, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { DesiredCheck } from "../../../src/bot/objects/contracts.ts";
import type { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { FakeGitHub } from "./github.ts";

let object = 5_000;
let github: FakeGitHub;
let stub: DurableObjectStub<Writer>;
let now: number;

beforeEach(async () => {
  vi.restoreAllMocks();
  github = new FakeGitHub();
  github.install();
  now = Date.now();
  object += 1;
  stub = env.WRITER.getByName(`${env.GITHUB_HOST}/installation/${object}`);
  await runInDurableObject(stub, (writer) => {
    writer.clock = () => now;
  });
});

const OPEN =
  "SELECT count(*) AS open FROM effect WHERE state IN ('sending', 'unknown') OR (state = 'idle' AND (shown < version OR annotated < annotations))";

async function drain(): Promise<void> {
  await vi.waitUntil(
    async () => {
      const { alarm, open } = await runInDurableObject(stub, async (_writer, state) => ({
        alarm: await state.storage.getAlarm(),
        open: state.storage.sql.exec<{ open: number }>(OPEN).one().open,
      }));
      if (open === 0) return true;
      now = Math.max(now, alarm ?? 0);
      if (alarm !== null) await runDurableObjectAlarm(stub);
      return false;
    },
    { timeout: 10_000, interval: 1 },
  );
}

const LOG = "https://snowcat.example/runs/42-1/logs/42-1.2/1/x";

/** A completed check of the n-th run of pull request 7. */
function check(
  n: number,
  name: string,
  conclusion: DesiredCheck["conclusion"],
  rest: Partial<DesiredCheck> = {},
): DesiredCheck {
  return {
    resource: `check:42-${n}:${name}`,
    run: `42-${n}`,
    yields: false,
    succeeds: Array.from({ length: n - 1 }, (_, i) => `42-${n - 1 - i}` as const),
    scope: { subject: "pull:7", also: [] },
    version: 1,
    repository: { id: 42, owner: "o", name: "r" },
    name,
    head: "a".repeat(40),
    detailsUrl: `https://snowcat.example/runs/42-${n}`,
    status: "completed",
    conclusion,
    title: "failed with exit code 1",
    summary: `[Whole log](${LOG})`,
    text: "the log's end",
    annotations: [],
    actions: [],
    startedAt: 1_000,
    completedAt: 2_000,
    ...rest,
  };
}
const cause = (n: number, rest?: Partial<DesiredCheck>) => check(n, "snowcat / x", "failure", rest);
const overall = (n: number, conclusion: DesiredCheck["conclusion"], rest?: Partial<DesiredCheck>) =>
  check(n, "snowcat", conclusion, rest);

/** Name and conclusion of what GitHub shows, by run. */
const shown = () =>
  github.checks
    .map(({ external_id: id, conclusion }) => `${id.slice("check:".length)} ${conclusion}`)
    .toSorted();
const x = () => github.checks.filter(({ name }) => name === "snowcat / x");

describe("the check of a root cause, when the commit is judged again", () => {
  it("is green beside the green whole, and says by which run and what failed before", async () => {
    await stub.desire([overall(1, "failure"), cause(1)]);
    await drain();
    expect(shown()).toEqual(["42-1:snowcat / x failure", "42-1:snowcat failure"]);
    await stub.desire([
      overall(2, null, { status: "in_progress", completedAt: null }),
      check(2, "snowcat / build", "success"),
    ]);
    await drain();
    expect(x()).toMatchObject([{ conclusion: "failure" }]);
    await stub.desire([overall(2, "success", { version: 2 })]);
    await drain();
    expect(x()).toMatchObject([
      {
        conclusion: "success",
        details_url: "https://snowcat.example/runs/42-1",
        // The time at which it was completed stays: what came since stands above it.
        completed_at: new Date(2_000).toISOString(),
        output: { title: "judged again by run 42-2, which succeeded" },
      },
    ]);
    const { summary } = x()[0]!.output;
    expect(summary).toContain("[run 42-2](https://snowcat.example/runs/42-2)");
    expect(summary).toContain("`failed with exit code 1`");
    expect(summary).toContain(LOG);
    // Nothing else of the older run was touched.
    expect(shown()).toContain("42-1:snowcat failure");
    expect(github.unexpected).toEqual([]);
  });

  it.each(["failure", "cancelled", "action_required", "neutral", "timed_out"] as const)(
    "stays red where the newer run ends as %s",
    async (conclusion) => {
      await stub.desire([overall(1, "failure"), cause(1)]);
      await stub.desire([overall(2, conclusion), check(2, "snowcat / build", "success")]);
      await drain();
      expect(x()).toMatchObject([{ conclusion: "failure" }]);
    },
  );

  it("stays red where the newer run is of another subject or commit, or not said to come after", async () => {
    await stub.desire([cause(1)]);
    const beside = { scope: { subject: "pull:8", also: [] } };
    await stub.desire([overall(2, "success", beside)]);
    await stub.desire([overall(3, "success", { head: "b".repeat(40) })]);
    await stub.desire([overall(4, "success", { succeeds: [] })]);
    await stub.desire([overall(5, "success", { scope: undefined })]);
    await drain();
    expect(x()).toMatchObject([{ conclusion: "failure" }]);
  });

  it("of several runs: all that came before, whichever failed", async () => {
    await stub.desire([cause(1), overall(1, "failure")]);
    await drain();
    await stub.desire([overall(2, "failure"), cause(2), check(2, "snowcat / y", "timed_out")]);
    await drain();
    await stub.desire([overall(3, "success")]);
    await drain();
    expect(shown()).toEqual([
      "42-1:snowcat / x success",
      "42-1:snowcat failure",
      "42-2:snowcat / x success",
      "42-2:snowcat / y success",
      "42-2:snowcat failure",
      "42-3:snowcat success",
    ]);
  });

  it("is red again only by a run that fails there", async () => {
    await stub.desire([cause(1), overall(1, "failure")]);
    await drain();
    await stub.desire([overall(2, "success")]);
    await drain();
    // The older run says something more, late, and more than once.
    await stub.desire([cause(1, { version: 2 }), cause(1, { version: 9 })]);
    await stub.desire([check(1, "snowcat / late", "failure")]);
    await drain();
    expect(x()).toMatchObject([{ conclusion: "success" }]);
    expect(github.checks.filter(({ name }) => name === "snowcat / late")).toEqual([]);
    await stub.desire([overall(3, "failure"), cause(3)]);
    await drain();
    expect(x()).toMatchObject([{ conclusion: "success" }, { conclusion: "failure" }]);
  });

  it("that nobody has seen yet is never shown", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "limit", retryAfter: 60 } });
    await stub.desire([cause(1), overall(1, "failure")]);
    await stub.desire([overall(2, "success")]);
    await drain();
    expect(x()).toEqual([]);
    expect(shown()).toContain("42-2:snowcat success");
  });

  it("is made green though the answer to its own request was lost", async () => {
    github.faults.push({ on: "POST /repos", fault: { kind: "lost" } });
    await stub.desire([cause(1)]);
    // Sent, and nobody knows.
    await runDurableObjectAlarm(stub);
    await stub.desire([overall(2, "success")]);
    await drain();
    expect(x()).toMatchObject([{ conclusion: "success" }]);
  });

  it("a completed check that has something to add is not opened again by the next run", async () => {
    await stub.desire([overall(1, "failure")]);
    await drain();
    github.faults.push({ on: "PATCH", fault: { kind: "limit", retryAfter: 60 } });
    await stub.desire([overall(1, "failure", { version: 2, title: "more" })]);
    await stub.desire([overall(2, null, { status: "queued", completedAt: null })]);
    await drain();
    expect(shown()).toEqual(["42-1:snowcat failure", "42-2:snowcat null"]);
  });
});
