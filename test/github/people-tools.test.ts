import { request } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";
import { runGit } from "./git.ts";

/** What curl, scripts and git send, byte for byte where it matters: octokit is more polite than they are. */

let f: Fixture;
let folder: string;
let token: string;
beforeAll(async () => {
  f = await startFixture();
  folder = await mkdtemp(join(tmpdir(), "github-tools-"));
  token = f.github.createUserToken("octo");
});
afterEach(() => expect(f.github.ledger()).toEqual([]));
afterAll(async () => {
  await f.close();
  await rm(folder, { recursive: true, force: true });
});

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;

/** As `curl -X METHOD -d BODY`: its own User-Agent, a form's content type whatever the body is. */
function curl(
  method: string,
  path: string,
  authorization: string | undefined,
  body?: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      "user-agent": "curl/7.88.1",
      accept: "*/*",
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined
        ? {}
        : {
            "content-type": "application/x-www-form-urlencoded",
            "content-length": Buffer.byteLength(body),
          }),
    };
    const sent = request(`${f.github.url}${path}`, { method, headers }, (response) => {
      let text = "";
      response.on("data", (bytes: Buffer) => (text += bytes.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

test("each way to send a token that GitHub takes", async () => {
  const ways = [
    `token ${token}`,
    `Bearer ${token}`,
    `bearer ${token}`,
    basic(`octo:${token}`),
    basic(`x-access-token:${token}`),
    basic(`${token}:x-oauth-basic`),
    basic(`${token}:`),
  ];
  for (const way of ways) {
    const { status, body } = await curl("GET", "/user", way);
    expect([way, status, JSON.parse(body)]).toMatchObject([way, 200, { login: "octo" }]);
  }
  for (const way of [`token ${token}x`, basic(`${token}:wrong`), `Digest ${token}`])
    expect((await curl("GET", "/user", way)).status).toBe(401);
  expect((await curl("GET", "/user", undefined)).status).toBe(401);
});

test("curl -d without a content type is JSON; fields nobody knows are passed over", async () => {
  const made = await curl(
    "POST",
    "/user/repos",
    `token ${token}`,
    `{"name": "by-curl", "auto_init": true, "sparkles": true}`,
  );
  expect(made.status).toBe(201);
  expect((await curl("GET", "/repos/octo/by-curl?nonsense=1", undefined)).status).toBe(200);
  expect(f.github.ledger("everyone")).toMatchObject([
    { kind: "unknown-field", actor: "user" },
    { kind: "unknown-field", actor: "anonymous" },
  ]);
  f.github.takeLedger();
  expect((await curl("POST", "/user/repos", `token ${token}`, "name=x")).status).toBe(400);
  expect(
    (await curl("PATCH", "/repos/octo/by-curl", `token ${token}`, `{"private": 1}`)).status,
  ).toBe(422);
  expect((await curl("GET", "/nothing/here", `token ${token}`)).status).toBe(404);
  expect(f.github.takeLedger()).toEqual([]);
});

test("HEAD is GET without the body", async () => {
  expect(await curl("HEAD", "/repos/octo/flake", undefined)).toEqual({ status: 200, body: "" });
  expect(await curl("HEAD", "/repos/octo/none", undefined)).toEqual({ status: 404, body: "" });
});

test("git works with a header and with credentials in the address", async () => {
  const plain = `${f.github.gitUrl}/octo/flake.git`;
  const header = `http.extraHeader=Authorization: ${basic(`x-access-token:${token}`)}`;
  const inUrl = (pair: string): string => plain.replace("://", `://${pair}@`);
  const work = join(folder, "work");
  const git = (...args: string[]) =>
    runGit(["-c", "user.name=o", "-c", "user.email=o@example.org", ...args], { cwd: folder });
  expect((await git("-c", header, "clone", "-q", plain, work)).code).toBe(0);
  const push = async (branch: string, ...args: string[]): Promise<number> => {
    expect((await git("-C", work, "commit", "-q", "--allow-empty", "-m", branch)).code).toBe(0);
    return (await git("-C", work, ...args, `HEAD:refs/heads/${branch}`)).code;
  };
  expect(await push("one", "-c", header, "push", "-q", plain)).toBe(0);
  expect(await push("two", "push", "-q", inUrl(`octo:${token}`))).toBe(0);
  expect(await push("three", "push", "-q", inUrl(`${token}:x-oauth-basic`))).toBe(0);
  const stranger = f.github.createUserToken("passer-by");
  const refused = await git("-C", work, "push", inUrl(`x:${stranger}`), "HEAD:refs/heads/four");
  expect(refused.stderr).toMatch(/403/);
  await f.as(f.owner).repos.update({ owner: "octo", repo: "flake", private: true });
  expect((await git("ls-remote", inUrl(`x:${stranger}`))).stderr).toMatch(/not found/);
  const heads = (await git("-c", header, "ls-remote", "--heads", plain)).stdout.toString();
  expect(heads.match(/refs\/heads\/\w+/g)).toEqual(
    ["main", "one", "three", "two"].map((name) => `refs/heads/${name}`),
  );
});
