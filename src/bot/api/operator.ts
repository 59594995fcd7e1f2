import { Hono } from "hono";
import * as z from "zod";
import { CodeRequest } from "../../protocol/enrolment.ts";
import type { Environment } from "../environment.ts";
import { isAllowed } from "../github/allowed.ts";
import { rebuildIndex } from "../index/rebuild.ts";
import { objectName } from "../objects/contracts.ts";
import { sweep } from "../sweep/sweep.ts";
import { hasBearer } from "./bearer.ts";
import { readJson } from "./json.ts";

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
  return context.json(
    await context.env.FLEET.getByName(objectName.fleet(context.env.GITHUB_HOST, account)).mintCode(
      request.data,
    ),
  );
});

operator.post("/index/rebuild", async (context) => context.json(await rebuildIndex(context.env)));

operator.post("/sweep", async (context) => context.json(await sweep(context.env, Date.now())));
