import { Hono } from "hono";
import * as z from "zod";
import { type CloneToken, EnrolmentRequest } from "../../protocol/enrolment.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import { type AttemptClaims, withClaims } from "../channel/index.ts";
import type { Environment } from "../environment.ts";
import { isAllowed } from "../github/allowed.ts";
import { objectName } from "../objects/contracts.ts";
import { bearer, verify } from "../objects/fleet/attempt-token.ts";
import { accountOfCode } from "../objects/fleet/code.ts";
import { connectOf } from "../objects/fleet/connect.ts";
import { inputToken } from "./input-token.ts";
import { manifest } from "./manifest.ts";
import { readJson } from "./json.ts";

/** What runners ask for. Nothing of a caller's headers reaches an object but its proof: see `withClaims`. */
export const runner = new Hono<{ Bindings: Environment }>();

runner.post(RUNNER_ROUTE.enrol, async (context) => {
  const { env } = context;
  const request = EnrolmentRequest.safeParse(await readJson(context.req.raw));
  if (!request.success) return context.json({ error: z.prettifyError(request.error) }, 400);
  const account = accountOfCode(env.ATTEMPT_KEY, env.GITHUB_HOST, request.data.code);
  if (account === null || !isAllowed(env.ALLOWED_ACCOUNTS, account))
    return context.json({ error: "the code is not good: ask the operator for a new one" }, 403);
  const reply = await env.FLEET.getByName(objectName.fleet(env.GITHUB_HOST, account)).enrol(
    request.data,
  );
  return "refused" in reply ? context.json({ error: reply.refused }, 403) : context.json(reply);
});

runner.get(RUNNER_ROUTE.socket, async (context) => {
  const { env, req } = context;
  if (req.header("upgrade")?.toLowerCase() !== "websocket")
    return context.json({ error: "a WebSocket is expected" }, 426);
  const connect = connectOf(req.raw);
  if (connect === null) return context.json({ error: "enrol first: `snowcat enrol`" }, 401);
  // Who is not served has no Fleet; asking must not make one.
  if (!isAllowed(env.ALLOWED_ACCOUNTS, connect.account))
    return context.json({ error: "the runner is not enrolled here" }, 403);
  const headers = { upgrade: "websocket", authorization: req.header("authorization") ?? "" };
  return env.FLEET.getByName(objectName.fleet(env.GITHUB_HOST, connect.account)).fetch(
    new Request(req.url, { headers }),
  );
});

runner.get(RUNNER_ROUTE.run, async (context) => {
  const { env, req } = context;
  const claims = claimed(req.raw, env);
  if ("refused" in claims) return context.json({ error: claims.refused }, 401);
  if (req.header("upgrade")?.toLowerCase() !== "websocket")
    return context.json({ error: "a WebSocket is expected" }, 426);
  return env.RUN.getByName(objectName.run(env.GITHUB_HOST, claims.run)).fetch(
    withClaims(req.url, claims),
  );
});

runner.get(RUNNER_ROUTE.log, async (context) => {
  const { env, req } = context;
  const claims = claimed(req.raw, env);
  if ("refused" in claims) return context.json({ error: claims.refused }, 401);
  if (req.header("upgrade")?.toLowerCase() !== "websocket")
    return context.json({ error: "a WebSocket is expected" }, 426);
  return env.LOG.getByName(objectName.log(env.GITHUB_HOST, claims.job, claims.attempt)).fetch(
    withClaims(req.url, claims),
  );
});

runner.post(RUNNER_ROUTE.token, async (context) => {
  const { env } = context;
  const claims = claimed(context.req.raw, env);
  if ("refused" in claims) return context.json({ error: claims.refused }, 401);
  const fleet = env.FLEET.getByName(objectName.fleet(env.GITHUB_HOST, claims.account));
  if (!(await fleet.holds(claims.job, claims.attempt)))
    return context.json({ error: "the attempt is over, or another's" }, 403);
  const token: CloneToken = await env.WRITER.getByName(
    objectName.writer(env.GITHUB_HOST, claims.installation),
  ).cloneToken(claims.repository);
  return context.json(token, 200, { "cache-control": "no-store" });
});

runner.post(RUNNER_ROUTE.inputs, async (context) => {
  const { env } = context;
  const claims = claimed(context.req.raw, env);
  if ("refused" in claims) return context.json({ error: claims.refused }, 401);
  const fleet = env.FLEET.getByName(objectName.fleet(env.GITHUB_HOST, claims.account));
  const held = await fleet.held(claims.job, claims.attempt);
  if (held === null) return context.json({ error: "the attempt is over, or another's" }, 403);
  const minted = await inputToken(env, claims, held);
  return minted.ok
    ? context.json(minted.token, 200, { "cache-control": "no-store" })
    : context.json({ error: minted.why }, 503);
});

runner.on(["GET", "PUT"], `${RUNNER_ROUTE.manifest}/:digest`, async (context) => {
  const claims = claimed(context.req.raw, context.env);
  if ("refused" in claims) return context.json({ error: claims.refused }, 401);
  return await manifest(context.env, claims, context.req.param("digest"), context.req.raw);
});

function claimed(request: Request, env: Environment): AttemptClaims | { refused: string } {
  const token = bearer(request);
  if (token === null) return { refused: "send the attempt's token as `Authorization: Bearer …`" };
  const claims = verify(env.ATTEMPT_KEY, token, env.GITHUB_HOST, Date.now());
  if (!("refused" in claims) && !isAllowed(env.ALLOWED_ACCOUNTS, claims.account))
    return { refused: "the account is not served any more" };
  return claims;
}
