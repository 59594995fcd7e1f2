import { createSign } from "node:crypto";
import { get } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { client, refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

let f: Fixture;
beforeAll(async () => {
  f = await startFixture();
});
afterEach(() => expect(f.github.ledger()).toEqual([]));
afterAll(() => f.close());

const at = { owner: "octo", repo: "flake" };
const head = async (): Promise<string> =>
  (await f.bot.git.getRef({ ...at, ref: "heads/main" })).data.object.sha;

/** An App token with claims of our choice. */
function jwt(claims: Record<string, unknown>, key = f.app.privateKeyPem): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "RS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}`;
}
const getApp = (token: string) =>
  fetch(`${f.github.url}/app`, { headers: { authorization: `Bearer ${token}` } });
const seconds = (): number => Math.floor(Date.now() / 1000);

test("an App token is checked: signature, issuer, times", async () => {
  const good = { iss: f.app.id, iat: seconds() - 30, exp: seconds() + 500 };
  expect((await getApp(jwt(good))).status).toBe(200);
  expect((await getApp(jwt({ ...good, iss: f.app.clientId }))).status).toBe(200);
  const other = await f.github.createApp({ owner: f.owner, slug: "other", webhookSecret: "x" });
  expect((await getApp(jwt(good, other.privateKeyPem))).status).toBe(401);
  expect((await getApp(jwt({ ...good, iss: 1 }))).status).toBe(401);
  expect((await getApp(jwt({ ...good, exp: seconds() - 1 }))).status).toBe(401);
  expect((await getApp(jwt({ ...good, exp: seconds() + 700 }))).status).toBe(401);
  expect((await getApp(jwt({ ...good, iat: seconds() + 300 }))).status).toBe(401);
  const [, body, signature] = jwt(good).split(".");
  const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  expect((await getApp(`${none}.${body}.${signature}`)).status).toBe(401);
});

test("installation tokens have the long form, end after an hour and only do what they may", async () => {
  const { data } = await f.asApp.apps.createInstallationAccessToken({
    installation_id: f.installation.id,
    repository_ids: [f.repo.id],
    permissions: { contents: "read" },
  });
  expect(data.token).toMatch(/^ghs_\d+_[\w-]+\.[\w-]+\.[\w-]+$/);
  expect(data.token.length).toBeGreaterThan(480);
  expect(Date.parse(data.expires_at) - Date.now()).toBeGreaterThan(59 * 60_000);
  const narrow = client(f.github, { auth: data.token });
  expect((await narrow.repos.getContent({ ...at, path: "README.md" })).status).toBe(200);
  expect(
    await refusal(narrow.checks.create({ ...at, name: "x", head_sha: await head() })),
  ).toMatchObject({
    status: 403,
    message: expect.stringContaining("Resource not accessible by integration") as string,
  });
  expect(
    await refusal(
      f.asApp.apps.createInstallationAccessToken({
        installation_id: f.installation.id,
        permissions: { administration: "write" },
      }),
    ),
  ).toMatchObject({ status: 422 });
  expect(
    await refusal(
      f.asApp.apps.createInstallationAccessToken({
        installation_id: f.installation.id,
        repository_ids: [1],
      }),
    ),
  ).toMatchObject({ status: 422 });
  const hidden = await f.github.createRepository({
    owner: f.owner,
    name: "hidden",
    private: true,
    files: { a: "1" },
  });
  expect(await refusal(narrow.repos.get({ owner: "octo", repo: hidden.name }))).toMatchObject({
    status: 404,
  });
  expect((await f.bot.repos.get({ owner: "octo", repo: hidden.name })).status).toBe(200);
});

test("a token of the past is refused", async () => {
  let now = Date.now();
  const g = await startFixture({ now: () => now });
  const auth = { iss: g.app.id, iat: Math.floor(now / 1000), exp: Math.floor(now / 1000) + 600 };
  const minted = await fetch(
    `${g.github.url}/app/installations/${g.installation.id}/access_tokens`,
    { method: "POST", headers: { authorization: `Bearer ${jwt(auth, g.app.privateKeyPem)}` } },
  );
  const { token } = (await minted.json()) as { token: string };
  const get = () =>
    fetch(`${g.github.url}/repos/octo/flake`, { headers: { authorization: `token ${token}` } });
  expect((await get()).status).toBe(200);
  now += 3_600_000;
  expect((await get()).status).toBe(401);
  await g.close();
});

test("people may do what their role allows; private repositories hide", async () => {
  const stranger = f.as(f.outsider);
  expect(
    await refusal(stranger.checks.create({ ...at, name: "x", head_sha: await head() })),
  ).toMatchObject({ status: 403 });
  expect(
    await refusal(
      stranger.repos.createCommitStatus({ ...at, sha: await head(), state: "success" }),
    ),
  ).toMatchObject({ status: 403 });
  const hidden = await f.github.createRepository({
    owner: f.owner,
    name: "secret",
    private: true,
    files: { a: "1" },
  });
  expect(await refusal(stranger.repos.get({ owner: "octo", repo: "secret" }))).toMatchObject({
    status: 404,
  });
  f.github.setRole(hidden, "passer-by", "maintain");
  expect(
    (await stranger.repos.get({ owner: "octo", repo: "secret" })).data.permissions,
  ).toMatchObject({ maintain: true, admin: false });
  const level = await f.bot.repos.getCollaboratorPermissionLevel({
    owner: "octo",
    repo: "secret",
    username: "passer-by",
  });
  expect(level.data).toMatchObject({ permission: "write", role_name: "maintain" });
  expect((await fetch(`${f.github.url}/user`)).status).toBe(401);
  expect(
    (await fetch(`${f.github.url}/user`, { headers: { authorization: "Bearer nonsense" } })).status,
  ).toBe(401);
});

test("an invalid request is refused and in the ledger", async () => {
  const { status } = await refusal(
    f.bot.request("POST /repos/{owner}/{repo}/check-runs", {
      ...at,
      name: 5 as unknown as string,
      head_sha: await head(),
    }),
  );
  expect(status).toBe(422);
  expect(f.github.takeLedger()).toMatchObject([
    { kind: "invalid-request", where: expect.stringContaining("checks/create") as string },
  ]);
  expect(await refusal(f.bot.pulls.list({ ...at, state: "opened" as "open" }))).toMatchObject({
    status: 422,
  });
  expect(f.github.takeLedger()).toMatchObject([{ kind: "invalid-request" }]);
});

test("a field that GitHub would ignore is in the ledger", async () => {
  await f.bot.request("POST /repos/{owner}/{repo}/check-runs", {
    ...at,
    name: "x",
    head_sha: await head(),
    titel: "typo",
  });
  expect(f.github.takeLedger()).toMatchObject([
    { kind: "unknown-field", detail: expect.stringContaining("titel") as string },
  ]);
});

test("published but missing is 501, unpublished is 404, both in the ledger", async () => {
  expect(await refusal(f.bot.repos.listReleases(at))).toMatchObject({ status: 501 });
  expect(f.github.takeLedger()).toMatchObject([{ kind: "not-implemented" }]);
  expect(await refusal(f.bot.request("GET /nothing/here"))).toMatchObject({ status: 404 });
  expect(f.github.takeLedger()).toMatchObject([{ kind: "unknown-path" }]);
});

test("check runs keep GitHub's limits", async () => {
  const annotation = {
    path: "flake.nix",
    start_line: 1,
    end_line: 1,
    annotation_level: "failure" as const,
    message: "no",
  };
  const base = { ...at, name: "limits", head_sha: await head() };
  const refuse = async (more: Record<string, unknown>): Promise<void> => {
    expect(
      (await refusal(f.bot.checks.create({ ...base, ...more }))).status,
      JSON.stringify(more).slice(0, 80),
    ).toBe(422);
    expect(f.github.takeLedger()).toHaveLength(1);
  };
  const output = { title: "t", summary: "s" };
  await refuse({
    output: { ...output, annotations: Array.from({ length: 51 }, () => annotation) },
  });
  await refuse({ output: { ...output, summary: "x".repeat(65_536) } });
  await refuse({ output: { ...output, text: "x".repeat(65_536) } });
  await refuse({
    output: { ...output, annotations: [{ ...annotation, end_line: 2, start_column: 1 }] },
  });
  await refuse({
    actions: Array.from({ length: 4 }, () => ({ label: "a", identifier: "a", description: "a" })),
  });
  await refuse({ actions: [{ label: "a".repeat(21), identifier: "a", description: "a" }] });
  await refuse({ actions: [{ label: "a", identifier: "a".repeat(21), description: "a" }] });
  await refuse({ actions: [{ label: "a", identifier: "a", description: "a".repeat(41) }] });
  await refuse({ status: "completed" });
  expect((await refusal(f.bot.checks.create({ ...base, head_sha: "0".repeat(40) }))).status).toBe(
    422,
  );
  const run = await f.bot.checks.create({
    ...base,
    output: { ...output, annotations: Array.from({ length: 50 }, () => annotation) },
  });
  await f.bot.checks.update({
    ...at,
    check_run_id: run.data.id,
    output: { ...output, annotations: [annotation] },
  });
  const first = await f.bot.checks.listAnnotations({
    ...at,
    check_run_id: run.data.id,
    per_page: 50,
  });
  expect(first.data).toHaveLength(50);
  expect(first.headers.link).toContain('rel="next"');
  expect(
    await f.bot.paginate(f.bot.checks.listAnnotations, { ...at, check_run_id: run.data.id }),
  ).toHaveLength(51);
});

test("an App cannot touch another App's check run", async () => {
  const run = await f.bot.checks.create({ ...at, name: "mine", head_sha: await head() });
  const rival = await f.github.createApp({ owner: f.owner, slug: "rival", webhookSecret: "x" });
  const installed = f.github.install(rival, f.owner);
  const minted = await fetch(`${f.github.url}/app/installations/${installed.id}/access_tokens`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${jwt({ iss: rival.id, iat: seconds(), exp: seconds() + 60 }, rival.privateKeyPem)}`,
    },
  });
  const { token } = (await minted.json()) as { token: string };
  expect(
    await refusal(
      client(f.github, { auth: token }).checks.update({
        ...at,
        check_run_id: run.data.id,
        status: "in_progress",
      }),
    ),
  ).toMatchObject({ status: 403 });
});

test("a request without a User-Agent is turned away", async () => {
  const { token } = (await f.bot.auth({ type: "installation" })) as { token: string };
  const status = await new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const request = get(`${f.github.url}/repos/octo/flake`, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
  });
  expect(status).toBe(403);
  expect(f.github.takeLedger()).toMatchObject([{ detail: "no User-Agent header" }]);
});
