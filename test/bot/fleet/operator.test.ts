import { exports } from "cloudflare:workers";
import { reset } from "cloudflare:test";
import { afterEach, beforeEach, expect, test } from "vitest";
import { objectName } from "../../../src/bot/objects/contracts.ts";
import { env } from "../support/env.ts";
import { enrolled } from "./runner.ts";

const ACCOUNT = 4_321;

beforeEach(() => {
  env.ALLOWED_ACCOUNTS = String(ACCOUNT);
});
afterEach(() => reset());

const ask = (method: string, path: string, secret = env.OPERATOR_SECRET) =>
  exports.default.fetch(`https://snowcat.test/operator/${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}` },
  });

test("the operator sees who is enrolled and takes one out; nobody else does either", async () => {
  const fleet = env.FLEET.getByName(objectName.fleet(env.GITHUB_HOST, ACCOUNT));
  const { reply } = await enrolled(fleet, ACCOUNT);
  const all = `accounts/${ACCOUNT}/runners`;
  expect((await ask("GET", all, "guessed")).status).toBe(401);
  expect((await ask("DELETE", `${all}/${reply.runner}`, "guessed")).status).toBe(401);
  expect(await (await ask("GET", all)).json()).toMatchObject({
    runners: [
      { runner: reply.runner, pool: "trusted", key: expect.stringMatching(/^[\w+/]{43}=$/u) },
    ],
  });

  expect((await ask("DELETE", `${all}/nobody`)).status).toBe(404);
  expect((await ask("DELETE", `${all}/NOT%20AN%20ID`)).status).toBe(400);
  expect((await ask("DELETE", `${all}/${reply.runner}`)).status).toBe(204);
  expect((await ask("DELETE", `${all}/${reply.runner}`)).status).toBe(404);
  expect(await (await ask("GET", all)).json()).toEqual({ runners: [] });
});

test("an account that is none is named", async () => {
  expect((await ask("GET", "accounts/acme/runners")).status).toBe(400);
});
