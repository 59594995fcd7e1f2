import { afterEach, beforeEach, expect, test } from "vitest";
import { refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

let f: Fixture;
let now = Date.parse("2026-11-20T12:00:00Z");
beforeEach(async () => {
  f = await startFixture({ now: () => now });
});
afterEach(async () => {
  const ledger = f.github.ledger();
  await f.close();
  expect(ledger).toEqual([]);
});

const at = { owner: "octo", repo: "flake" };
/** Plain HTTP: octokit would sign with the real clock, the double has its own. */
const call = (
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> =>
  fetch(`${f.github.url}${path}`, {
    method,
    signal,
    headers: { authorization: `token ${f.github.createUserToken("octo")}` },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
const head = async (): Promise<string> =>
  (
    (await (await call("GET", "/repos/octo/flake/git/ref/heads/main")).json()) as {
      object: { sha: string };
    }
  ).object.sha;

test("limits and server errors on demand, as often as asked", async () => {
  const statuses: Record<string, number> = {
    "403-secondary": 403,
    "403-primary": 403,
    "429": 429,
    "500": 500,
    "502": 502,
    "503": 503,
  };
  for (const [kind, status] of Object.entries(statuses)) {
    const fault = f.github.fault({
      match: { operationId: "repos/get" },
      kind: kind as "500",
      times: 2,
      after: 1,
      retryAfter: 7,
    });
    const answers = [];
    for (let n = 0; n < 4; n++) answers.push(await call("GET", "/repos/octo/flake"));
    expect(answers.map((one) => one.status)).toEqual([200, status, status, 200]);
    if (kind === "403-secondary" || kind === "429")
      expect(answers[1]?.headers.get("retry-after")).toBe("7");
    if (kind === "403-primary") expect(answers[1]?.headers.get("x-ratelimit-remaining")).toBe("0");
    expect(fault.hits).toBe(2);
  }
});

test("drop-after-commit: the work is done, the answer is lost", async () => {
  const sha = await head();
  f.github.fault({ match: { method: "POST", path: /\/statuses\// }, kind: "drop-after-commit" });
  await expect(
    call("POST", `/repos/octo/flake/statuses/${sha}`, { state: "success", context: "lost" }),
  ).rejects.toThrow(/fetch failed|aborted/);
  const combined = (await (
    await call("GET", `/repos/octo/flake/commits/${sha}/status`)
  ).json()) as { statuses: { context: string }[] };
  expect(combined.statuses.map((one) => one.context)).toEqual(["lost"]);
});

test("drop: nothing is done; timeout: nothing is ever answered", async () => {
  const sha = await head();
  f.github.fault({ match: { method: "POST" }, kind: "drop" });
  await expect(
    call("POST", `/repos/octo/flake/statuses/${sha}`, { state: "success" }),
  ).rejects.toThrow(/fetch failed|aborted/);
  const fault = f.github.fault({ match: { method: "POST" }, kind: "timeout" });
  const gaveUp = new AbortController();
  const waiting = call(
    "POST",
    `/repos/octo/flake/statuses/${sha}`,
    { state: "success" },
    gaveUp.signal,
  );
  await expect.poll(() => fault.hits).toBe(1);
  gaveUp.abort();
  await expect(waiting).rejects.toThrow(/fetch failed|aborted/);
  const combined = (await (
    await call("GET", `/repos/octo/flake/commits/${sha}/status`)
  ).json()) as { statuses: unknown[] };
  expect(combined.statuses).toEqual([]);
});

test("a push whose answer is dropped has happened", async () => {
  const clone = await f.github.clone(f.repo, f.owner);
  const sha = await clone.commit("Lost answer");
  f.github.fault({ match: { path: /git-receive-pack$/ }, kind: "drop-after-commit" });
  expect((await clone.push()).code).not.toBe(0);
  await clone.remove();
  expect(await head()).toBe(sha);
  await f.github.settled();
  expect(
    f.received.filter((one) => one.event === "push").map((one) => one.payload["after"]),
  ).toEqual([sha]);
});

test("every answer says what is left of the quota; it is renewed after an hour", async () => {
  const [first, second] = [
    await call("GET", "/rate_limit"),
    await call("GET", "/repos/octo/flake"),
  ];
  expect([
    first.headers.get("x-ratelimit-remaining"),
    second.headers.get("x-ratelimit-remaining"),
  ]).toEqual(["5000", "4999"]);
  expect(Number(second.headers.get("x-ratelimit-reset"))).toBe(now / 1000 + 3600);
  now += 3_600_000;
  expect((await call("GET", "/repos/octo/flake")).headers.get("x-ratelimit-remaining")).toBe(
    "4999",
  );
});

test("secondary limits bite when enforced: the 81st content in a minute", async () => {
  const g = await startFixture({ enforceSecondaryLimits: true });
  const sha = await g.github.commit(g.repo, { as: g.owner, files: { x: "1" } });
  const create = (n: number) => g.bot.checks.create({ ...at, name: `check ${n}`, head_sha: sha });
  for (let n = 0; n < 80; n++) await create(n);
  expect(await refusal(create(80))).toMatchObject({
    status: 403,
    message: expect.stringContaining("secondary rate limit") as string,
  });
  expect((await g.bot.repos.get(at)).status).toBe(200);
  expect(g.github.stats("installation")).toMatchObject({ writes: 81, content: 81, requests: 82 });
  g.github.resetStats();
  expect(g.github.stats().requests).toBe(0);
  await g.close();
});

test("a double that is far away keeps every caller of its API waiting", async () => {
  f.github.setLatency(60);
  const began = performance.now();
  await head();
  // A timer may go off up to a millisecond early.
  expect(performance.now() - began).toBeGreaterThanOrEqual(59);
});
