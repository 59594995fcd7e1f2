import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { mint } from "../../../src/bot/objects/fleet/attempt-token.ts";
import { Fleet } from "../../../src/bot/objects/fleet/fleet.ts";
import type { HeldJob } from "../../../src/bot/objects/contracts.ts";
import { RUNNER_ROUTE } from "../../../src/protocol/routes.ts";
import { env } from "../support/env.ts";
import { OWNER } from "../support/payloads.ts";

const TEXT = "snowcat-manifest-1\n";
let held: { pool: HeldJob["pool"] } | null;
beforeEach(() => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  held = { pool: "deploy" };
  vi.spyOn(Fleet.prototype, "held").mockImplementation(async () => held as HeldJob | null);
});
afterEach(() => void vi.restoreAllMocks());

async function digestOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Buffer.from(hash).toString("hex");
}
const ask = (method: "GET" | "PUT", digest: string, body?: string, account: number = OWNER) =>
  exports.default.fetch(`https://snowcat.test${RUNNER_ROUTE.manifest}/${digest}`, {
    method,
    headers: {
      authorization: `Bearer ${mint(env.ATTEMPT_KEY, {
        host: env.GITHUB_HOST,
        account,
        installation: 9,
        repository: 101,
        run: "101-1",
        job: "101-1.0",
        attempt: 1,
        runner: "r1",
        key: "",
        expiresAt: Date.now() + 60_000,
      })}`,
    },
    body,
  });

test("a manifest is kept under its own hash, and read by another attempt of the account", async () => {
  const digest = await digestOf(TEXT);
  expect((await ask("GET", digest)).status).toBe(404);
  expect((await ask("PUT", digest, TEXT)).status).toBe(204);
  expect((await ask("PUT", digest, TEXT)).status).toBe(204);
  const read = await ask("GET", digest);
  expect([read.status, await read.text()]).toEqual([200, TEXT]);
  env.ALLOWED_ACCOUNTS = `${OWNER},${OWNER + 1}`;
  expect((await ask("GET", digest, undefined, OWNER + 1)).status).toBe(404);
});

test("a text with another hash, a name that is none, a stranger's runner and an attempt that is over are refused", async () => {
  const digest = await digestOf(TEXT);
  expect((await ask("PUT", digest, `${TEXT}x`)).status).toBe(422);
  expect((await ask("GET", `..%2f${digest}`)).status).toBe(400);
  held = { pool: "untrusted" };
  expect((await ask("GET", digest)).status).toBe(403);
  held = null;
  expect((await ask("PUT", digest, TEXT)).status).toBe(403);
});
