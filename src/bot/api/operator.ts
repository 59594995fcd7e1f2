import { Hono } from "hono";
import * as z from "zod";
import { CodeRequest } from "../../protocol/enrolment.ts";
import { RunnerId } from "../../protocol/identifiers.ts";
import type { Environment } from "../environment.ts";
import { isAllowed } from "../github/allowed.ts";
import { rebuildIndex } from "../index/rebuild.ts";
import { objectName } from "../objects/contracts.ts";
import { sweep } from "../sweep/sweep.ts";
import { hasBearer } from "./bearer.ts";
import { readJson } from "./json.ts";

function fleet(env: Environment, account: number) {
  return env.FLEET.getByName(objectName.fleet(env.GITHUB_HOST, account));
}

/** What the operator may do, with OPERATOR_SECRET as bearer. */
export const operator = new Hono<{ Bindings: Environment }>();

operator.use(async (context, next) => {
  if (await hasBearer(context.req.raw, context.env.OPERATOR_SECRET)) return next();
  return context.json({ error: "send OPERATOR_SECRET as `Authorization: Bearer …`" }, 401);
});

operator.post("/codes", async (context) => {
  const request = CodeRequest.safeParse(await readJson(context.req.raw));
  if (!request.success) return context.json({ error: z.prettifyError(request.error) }, 400);
  const { account } = request.data;
  if (!isAllowed(context.env.ALLOWED_ACCOUNTS, account)) {
    return context.json(
      { error: `account ${account} is not in ALLOWED_ACCOUNTS: nothing would run for it` },
      403,
    );
  }
  return context.json(await fleet(context.env, account).mintCode(request.data));
});

const OfAccount = z.object({ account: z.coerce.number().int().positive() });
const OfRunner = OfAccount.extend({ runner: RunnerId });

/** Who is enrolled: name, pool, class, and when last heard of. */
operator.get("/accounts/:account/runners", async (context) => {
  const named = OfAccount.safeParse(context.req.param());
  if (!named.success) return context.json({ error: "the account is its numeric id" }, 400);
  const { account } = named.data;
  return context.json({ runners: await fleet(context.env, account).runners(account) });
});

/** Takes a runner out: its key opens nothing from here on. */
operator.delete("/accounts/:account/runners/:runner", async (context) => {
  const named = OfRunner.safeParse(context.req.param());
  if (!named.success) return context.json({ error: z.prettifyError(named.error) }, 400);
  const { account, runner } = named.data;
  if (await fleet(context.env, account).retire(account, runner)) return context.body(null, 204);
  return context.json({ error: `account ${account} has no runner ${runner}` }, 404);
});

const Page = z.object({
  before: z.coerce.number().int().positive().nullish(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});
const OfRepository = Page.extend({ repository: z.coerce.number().int().positive() });

/** What the account's runners and the control plane refused each other, newest first; `before` an id for the earlier ones. */
operator.get("/accounts/:account/audit", async (context) => {
  const named = OfAccount.extend(Page.shape).safeParse({
    ...context.req.query(),
    ...context.req.param(),
  });
  if (!named.success) return context.json({ error: z.prettifyError(named.error) }, 400);
  const { account, before, limit } = named.data;
  return context.json({
    audit: await fleet(context.env, account).audit(account, before ?? null, limit),
  });
});

/** Every command of a repository, what was decided and why, newest first; `before` an id for the earlier ones. */
operator.get("/repositories/:repository/audit", async (context) => {
  const named = OfRepository.safeParse({ ...context.req.query(), ...context.req.param() });
  if (!named.success) return context.json({ error: z.prettifyError(named.error) }, 400);
  const { repository, before, limit } = named.data;
  const { GITHUB_HOST: host, REPO } = context.env;
  const repo = REPO.getByName(objectName.repo(host, repository));
  return context.json({ audit: await repo.audit(before ?? null, limit) });
});

operator.post("/index/rebuild", async (context) => context.json(await rebuildIndex(context.env)));

operator.post("/sweep", async (context) => context.json(await sweep(context.env, Date.now())));
