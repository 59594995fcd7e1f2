import { expect, it, vi } from "vitest";
import { withClaims } from "../../../src/bot/channel/index.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import { OWNER, push } from "../support/payloads.ts";
import { FakeGitHub } from "../writer/github.ts";
import { HEAD } from "../run/harness.ts";

it("goes from a delivery to GitHub's checks through the real objects: without a runner class, it blocks and says so", async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  const github = new FakeGitHub();
  github.install();
  expect((await deliver("push", push({ repository: 42, after: HEAD }))).status).toBe(202);
  await vi.waitUntil(
    () => github.checks.length === 3 && github.checks.every(({ status }) => status === "completed"),
    { timeout: 15_000, interval: 20 },
  );
  expect(github.checks.map(({ name }) => name).toSorted()).toEqual([
    "snowcat",
    "snowcat / build",
    "snowcat / evaluation",
  ]);
  for (const check of github.checks)
    expect(check).toMatchObject({ conclusion: "action_required", head_sha: HEAD });
  expect(await env.RUN.getByName(`${env.GITHUB_HOST}/run/42-1`).view()).toMatchObject({
    state: "finished",
    conclusion: "action_required",
    jobs: [{ verdict: { kind: "no-runner" } }],
  });
  expect(github.unexpected).toEqual([]);

  // A runner that comes late is told so, on a real socket.
  const claims = {
    host: env.GITHUB_HOST,
    account: OWNER,
    installation: 9,
    repository: 42,
    run: "42-1",
    job: "42-1.1",
    attempt: 1,
    runner: "r1",
    key: "",
    expiresAt: Date.now() + 60_000,
  };
  const run = env.RUN.getByName(`${env.GITHUB_HOST}/run/42-1`);
  expect(
    (await run.fetch(withClaims("https://run/", { ...claims, account: OWNER + 1 }))).status,
  ).toBe(403);
  const { webSocket: socket } = await run.fetch(withClaims("https://run/", claims));
  if (!socket) throw new Error("no socket");
  const replies: string[] = [];
  socket.addEventListener("message", ({ data }) => void replies.push(String(data)));
  socket.accept();
  socket.send(
    JSON.stringify({
      v: 1,
      seq: 1,
      ack: 0,
      job: null,
      attempt: null,
      sig: null,
      body: { kind: "attributes", attributes: [] },
    }),
  );
  await vi.waitUntil(() => replies.length >= 2);
  expect(
    replies.map((reply) => (JSON.parse(reply) as { body: { kind: string } }).body.kind),
  ).toEqual(["ack", "stale"]);
});
