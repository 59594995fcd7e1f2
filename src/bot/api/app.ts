import { Hono } from "hono";
import type { Environment } from "../environment.ts";
import { webhook } from "../github/webhook.ts";

/** Every way in. Handlers are small; what they do stands in the folders they call. */
export function createApp() {
  const app = new Hono<{ Bindings: Environment }>();
  app.post("/github/webhook", (context) => webhook(context.req.raw, context.env, Date.now()));
  app.notFound((context) => context.json({ error: "there is nothing here" }, 404));
  app.onError((error, context) => {
    // One line with an id that the answer carries; what went wrong is nobody else's business.
    const id = crypto.randomUUID();
    console.error(JSON.stringify({ what: "request failed", id, method: context.req.method, path: context.req.path, error: error.stack ?? error.message }));
    return context.json({ error: "something went wrong here", id }, 500);
  });
  return app;
}
