import { exports } from "cloudflare:workers";
import { listDurableObjectIds } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { mint } from "../../../src/bot/objects/fleet/attempt-token.ts";
import { RUNNER_ROUTE } from "../../../src/protocol/routes.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import { accountStub } from "../support/objects.ts";
import { OWNER } from "../support/payloads.ts";

beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const call = (
  method: string,
  path: string,
  over: { body?: unknown; headers?: Record<string, string> } = {},
) =>
  exports.default.fetch(`https://snowcat.test${path}`, {
    method,
    headers: { "content-type": "application/json", ...over.headers },
    ...(over.body === undefined ? {} : { body: JSON.stringify(over.body) }),
  });
const operator = () => ({ authorization: `Bearer ${env.OPERATOR_SECRET}` });
const code = { account: OWNER, pool: "trusted", class: "fast", repositories: null };
const claims = () => ({
  host: env.GITHUB_HOST,
  account: OWNER,
  installation: 9,
  repository: 101,
  run: "101-1",
  job: "101-1.0",
  attempt: 1,
  runner: "r1",
  key: "",
  expiresAt: Date.now() + 60_000,
});

describe("/operator", () => {
  test.each([
    ["nothing", {}],
    ["another secret", { authorization: "Bearer 0123456789abcdef0123456789abcdef" }],
    ["the secret by another scheme", { authorization: "Basic x" }],
  ])("%s: 401", async (_name, headers) => {
    for (const path of [
      "/operator/codes",
      "/operator/index/rebuild",
      "/operator/sweep",
      "/operator/nothing",
    ]) {
      expect((await call("POST", path, { headers, body: code })).status, path).toBe(401);
    }
  });

  test("an operator's secret that is not set opens nothing", async () => {
    const secret = env.OPERATOR_SECRET;
    try {
      env.OPERATOR_SECRET = "";
      expect(
        (
          await call("POST", "/operator/codes", {
            headers: { authorization: "Bearer " },
            body: code,
          })
        ).status,
      ).toBe(401);
    } finally {
      env.OPERATOR_SECRET = secret;
    }
  });

  test("a code for an account that is served; none for another", async () => {
    const minted = await call("POST", "/operator/codes", { headers: operator(), body: code });
    expect(minted.status).toBe(200);
    expect(await minted.json()).toMatchObject({
      code: expect.stringMatching(/^snowcat-code-1\.77\./u),
    });
    expect(
      (
        await call("POST", "/operator/codes", {
          headers: operator(),
          body: { ...code, account: 666 },
        })
      ).status,
    ).toBe(403);
    expect(
      (
        await call("POST", "/operator/codes", {
          headers: operator(),
          body: { ...code, pool: "root" },
        })
      ).status,
    ).toBe(400);
    expect((await call("POST", "/operator/codes", { headers: operator() })).status).toBe(400);
  });
});

describe("/runner", () => {
  test("a code enrols once", async () => {
    const { code: secret } = await (
      await call("POST", "/operator/codes", { headers: operator(), body: code })
    ).json<{ code: string }>();
    const pair = (await crypto.subtle.generateKey("Ed25519", true, [
      "sign",
      "verify",
    ])) as CryptoKeyPair;
    const publicKey = Buffer.from(
      (await crypto.subtle.exportKey("raw", pair.publicKey)) as ArrayBuffer,
    ).toString("base64");
    const enrol = () =>
      call("POST", RUNNER_ROUTE.enrol, { body: { code: secret, name: "box", publicKey } });
    const enrolled = await enrol();
    expect([enrolled.status, await enrolled.json()]).toMatchObject([
      200,
      { account: OWNER, pool: "trusted", class: "fast" },
    ]);
    expect((await enrol()).status).toBe(403);
  });

  test("a code that was guessed wakes nobody", async () => {
    const before = (await listDurableObjectIds(env.FLEET)).length;
    const guess = `snowcat-code-1.78.${"A".repeat(43)}.${"A".repeat(43)}`;
    expect(
      (
        await call("POST", RUNNER_ROUTE.enrol, {
          body: { code: guess, name: "box", publicKey: "x" },
        })
      ).status,
    ).toBe(403);
    expect(await listDurableObjectIds(env.FLEET)).toHaveLength(before);
  });

  test("a socket without an enrolled key: none", async () => {
    const upgrade = { upgrade: "websocket" };
    expect((await call("GET", RUNNER_ROUTE.socket)).status).toBe(426);
    expect((await call("GET", RUNNER_ROUTE.socket, { headers: upgrade })).status).toBe(401);
    const claim = (account: number) =>
      `Snowcat ${account}.r1.${Date.now()}.${"0".repeat(32)}.${"A".repeat(86)}`;
    expect(
      (
        await call("GET", RUNNER_ROUTE.socket, {
          headers: { ...upgrade, authorization: claim(OWNER) },
        })
      ).status,
    ).toBe(403);
    expect(
      (
        await call("GET", RUNNER_ROUTE.socket, {
          headers: { ...upgrade, authorization: claim(666) },
        })
      ).status,
    ).toBe(403);
  });

  test.each([RUNNER_ROUTE.run, RUNNER_ROUTE.log])(
    "%s: nothing without the attempt's token, whatever headers a caller invents",
    async (path) => {
      const invented = { upgrade: "websocket", "x-snowcat-claims": JSON.stringify(claims()) };
      expect((await call("GET", path, { headers: invented })).status).toBe(401);
      const other = mint(Buffer.alloc(32, 1).toString("base64"), claims());
      expect(
        (await call("GET", path, { headers: { ...invented, authorization: `Bearer ${other}` } }))
          .status,
      ).toBe(401);
      const late = mint(env.ATTEMPT_KEY, { ...claims(), expiresAt: Date.now() - 1 });
      expect(
        (await call("GET", path, { headers: { ...invented, authorization: `Bearer ${late}` } }))
          .status,
      ).toBe(401);
    },
  );

  test("the claims of the token reach the object, not those of the caller", async () => {
    const { Log } = await import("../../../src/bot/objects/log/log.ts");
    let seen: Record<string, string> = {};
    vi.spyOn(Log.prototype, "fetch").mockImplementation(async (request) => {
      seen = Object.fromEntries(request.headers);
      return new Response("seen");
    });
    const headers = {
      upgrade: "websocket",
      "x-snowcat-claims": JSON.stringify({ ...claims(), account: 666 }),
      cookie: "a=b",
      authorization: `Bearer ${mint(env.ATTEMPT_KEY, claims())}`,
    };
    expect((await call("GET", RUNNER_ROUTE.log, { headers })).status).toBe(200);
    expect(JSON.parse(seen["x-snowcat-claims"] ?? "null")).toMatchObject({ account: OWNER });
    expect(Object.keys(seen).toSorted()).toEqual(["upgrade", "x-snowcat-claims"]);
  });

  test("no clone token for an attempt that the Fleet does not know", async () => {
    const headers = { authorization: `Bearer ${mint(env.ATTEMPT_KEY, claims())}` };
    expect((await call("POST", RUNNER_ROUTE.token, { headers })).status).toBe(403);
    expect((await call("POST", RUNNER_ROUTE.token)).status).toBe(401);
  });
});

describe("everything else", () => {
  test("an unknown route is a 404 in JSON", async () => {
    const answer = await call("GET", "/nothing");
    expect([answer.status, await answer.json()]).toEqual([404, { error: "there is nothing here" }]);
    expect((await call("GET", "/github/webhook")).status).toBe(404);
  });

  test("an error is one line with an id; the answer has the id and nothing else", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const { Fleet } = await import("../../../src/bot/objects/fleet/fleet.ts");
    vi.spyOn(Fleet.prototype, "mintCode").mockRejectedValue(
      new Error("the database says TOPSECRET"),
    );
    const answer = await call("POST", "/operator/codes", { headers: operator(), body: code });
    const body = await answer.json<{ id: string }>();
    expect([answer.status, Object.keys(body)]).toEqual([500, ["error", "id"]]);
    expect(JSON.stringify(body)).not.toContain("TOPSECRET");
    expect(
      logged.mock.calls.map(([line]) => String(line)).filter((line) => line.includes(body.id)),
    ).toHaveLength(1);
  });

  test("the account of an object that was never heard of has no repositories", async () => {
    expect(await accountStub(OWNER).repositories()).toEqual([]);
  });
});
