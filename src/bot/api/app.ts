import { Hono } from "hono";
import type { Environment } from "../environment.ts";
import { pages } from "../pages/pages.tsx";
import { aside } from "./aside.ts";
import { hasBearer } from "./bearer.ts";
import { health } from "./health.ts";
import { operator } from "./operator.ts";
import { runner } from "./runner.ts";
import { webhook } from "../github/webhook.ts";

/** Every way in. Handlers are small; what they do stands in the folders they call. */
export function createApp() {
  const app = new Hono<{ Bindings: Environment }>();
  // The second is Probot's own path, which Apps that move here have in their settings.
  app.on("POST", ["/github/webhook", "/api/github/webhooks"], (context) =>
    webhook(context.req.raw, context.env, Date.now()),
  );
  app.get("/health", async (context) => {
    const { req, env } = context;
    const github = req.query("github") === "1";
    const operator = await hasBearer(req.raw, env.OPERATOR_SECRET);
    // Whoever may make us ask GitHub could spend our rate limit.
    if (github && !operator) {
      return context.json(
        { error: "asking GitHub takes OPERATOR_SECRET as `Authorization: Bearer …`" },
        401,
      );
    }
    const found = await health(env, Date.now(), operator ? { github } : null);
    const status = found.healthy ? 200 : 503;
    // Objects that do not answer are told of above; what they set aside is then not known.
    const poison = operator ? await aside(env).catch(() => null) : undefined;
    const body = poison === undefined ? found : { ...found, aside: poison };
    return context.json(body, status, { "cache-control": "no-store" });
  });
  app.route("/operator", operator);
  app.route("/", runner);
  app.route("/", pages);
  app.notFound((context) => context.json({ error: "there is nothing here" }, 404));
  app.onError((error, context) => {
    // One line with an id that the answer carries; what went wrong is nobody else's business.
    const id = crypto.randomUUID();
    console.error(
      JSON.stringify({
        what: "request failed",
        id,
        method: context.req.method,
        path: context.req.path,
        error: error.stack ?? error.message,
      }),
    );
    return context.json({ error: "something went wrong here", id }, 500);
  });
  return app;
}
