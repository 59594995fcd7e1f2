import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Health } from "../../../src/bot/api/health.ts";
import { appToken } from "../../../src/bot/github/key.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import { Repo } from "../../../src/bot/objects/repo/repo.ts";
import { deliver } from "../support/deliver.ts";
import { forbidNetwork, recordRuns, repoStub, settled } from "../support/objects.ts";
import { push } from "../support/payloads.ts";

const original = { ...env };
beforeEach(async () => {
  await migrateIndex();
  Object.assign(env, original, { ALLOWED_ACCOUNTS: "77", PUBLIC_URL: "https://snowcat.test" });
});
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(env, original);
});

async function ask(
  query = "",
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Health }> {
  const answer = await exports.default.fetch(`https://snowcat.test/health${query}`, { headers });
  return { status: answer.status, body: await answer.json() };
}
const operator = () => ({ authorization: `Bearer ${env.OPERATOR_SECRET}` });
const problems = (body: Health) =>
  Object.entries(body.parts).flatMap(([name, part]) => (part === "ok" ? [] : [name]));

describe("GET /health", () => {
  test("however often anybody asks, the objects are woken once in a while; the operator's question is asked", async () => {
    await ask("", operator());
    const wake = vi.spyOn(Repo.prototype, "wake");
    for (let n = 0; n < 20; n += 1) expect((await ask()).status).toBe(200);
    expect(wake).not.toHaveBeenCalled();
    await ask("", operator());
    expect(wake).toHaveBeenCalledTimes(1);
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 5_001);
    await Promise.all([ask(), ask(), ask()]);
    expect(wake).toHaveBeenCalledTimes(2);
  });

  test("tells the operator, and nobody else, what was set aside", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    forbidNetwork();
    recordRuns();
    await deliver("push", push({ repository: 77_001 }));
    await settled(repoStub(77_001));
    await deliver("push", { ...push({ repository: 77_001 }), ref: 5 });
    await settled(repoStub(77_001));
    const answer = await exports.default.fetch("https://snowcat.test/health", {
      headers: operator(),
    });
    expect(await answer.json()).toMatchObject({
      aside: { total: 1, accounts: {}, repositories: { "77001": 1 }, unasked: 0 },
    });
    expect(Object.keys((await ask()).body)).toEqual(["healthy", "parts"]);
  });

  test("everything answers: 200, and nobody is called", async () => {
    const network = forbidNetwork();
    const { status, body } = await ask();
    expect([status, problems(body)]).toEqual([200, []]);
    expect(Object.keys(body.parts)).toEqual(
      expect.arrayContaining([
        "ACCOUNT",
        "REPO",
        "RUN",
        "WRITER",
        "FLEET",
        "LOG",
        "MACHINE",
        "INDEX",
        "BLOBS",
        "GITHUB_APP_PRIVATE_KEY",
      ]),
    );
    expect(network).not.toHaveBeenCalled();
  });

  test.each([
    ["GITHUB_APP_PRIVATE_KEY", ""],
    [
      "GITHUB_APP_PRIVATE_KEY",
      "-----BEGIN RSA PRIVATE KEY-----\nTOPSECRET\n-----END RSA PRIVATE KEY-----",
    ],
    ["GITHUB_WEBHOOK_SECRET", ""],
    ["GITHUB_WEBHOOK_SECRET", "TOPSECRET"],
    ["OPERATOR_SECRET", ""],
    ["SPECIFICATION_KEY", "TOPSECRET"],
    ["ATTEMPT_KEY", "VE9QU0VDUkVU"],
    ["GITHUB_APP_ID", "TOPSECRET"],
    ["ALLOWED_ACCOUNTS", "TOPSECRET"],
    ["PUBLIC_URL", "TOPSECRET"],
  ] as const)("%s = %j: 503, it is named, and not shown", async (name, value) => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    env[name] = value;
    const { status, body } = await ask();
    expect([status, problems(body)]).toEqual([503, [name]]);
    expect(JSON.stringify(body) + JSON.stringify(logged.mock.calls)).not.toMatch(
      /TOPSECRET|VE9QU0/u,
    );
  });

  test("a missing secret is named, not thrown", async () => {
    const secret = env.ATTEMPT_KEY;
    try {
      Reflect.deleteProperty(env, "ATTEMPT_KEY");
      expect(problems((await ask()).body)).toEqual(["ATTEMPT_KEY"]);
    } finally {
      env.ATTEMPT_KEY = secret;
    }
  });

  test("an index without its table is named", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    await env.INDEX.prepare("ALTER TABLE runs RENAME TO elsewhere").run();
    try {
      expect(problems((await ask("", operator())).body)).toEqual(["INDEX"]);
    } finally {
      await env.INDEX.prepare("ALTER TABLE elsewhere RENAME TO runs").run();
    }
  });

  test("GitHub is asked for the operator only, and an App of another number is named", async () => {
    expect((await ask("?github=1")).status).toBe(401);
    const network = vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const asked = new Request(input, init);
      expect(new URL(asked.url).pathname).toBe("/app");
      return Response.json({
        id: 4,
        slug: "snowcat",
        name: "Snowcat",
        owner: { id: 1, login: "o" },
      });
    });
    const { status, body } = await ask("?github=1", {
      authorization: `Bearer ${env.OPERATOR_SECRET}`,
    });
    expect(network).toHaveBeenCalled();
    expect([status, body.parts["github"]]).toEqual([
      503,
      { problem: "GitHub takes the key for App 4: GITHUB_APP_ID is another's" },
    ]);
  });
});

test("the App's token is signed by its key, and lives less than ten minutes", async () => {
  const now = 1_800_000_000_000;
  const [head = "", claims = "", signature = ""] = (
    await appToken({ id: "12", pem: env.GITHUB_APP_PRIVATE_KEY }, now)
  ).split(".");
  const { createPublicKey, verify } = await import("node:crypto");
  expect(env.GITHUB_APP_PRIVATE_KEY).toContain("BEGIN RSA PRIVATE KEY");
  expect(
    verify(
      "RSA-SHA256",
      Buffer.from(`${head}.${claims}`),
      createPublicKey(env.GITHUB_APP_PRIVATE_KEY),
      Buffer.from(signature, "base64url"),
    ),
  ).toBe(true);
  const { iat, exp, iss } = JSON.parse(Buffer.from(claims, "base64url").toString()) as {
    iat: number;
    exp: number;
    iss: string;
  };
  expect([iss, iat < now / 1_000, exp - iat <= 600, exp > now / 1_000]).toEqual([
    "12",
    true,
    true,
    true,
  ]);
});
