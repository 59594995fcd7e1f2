import { createApp } from "./api/app.ts";
import type { Environment } from "./environment.ts";
import { sweep } from "./sweep/sweep.ts";

export { Account } from "./objects/account/account.ts";
export { Fleet } from "./objects/fleet/fleet.ts";
export { Log } from "./objects/log/log.ts";
export { Machine } from "./objects/machine/machine.ts";
export { Repo } from "./objects/repo/repo.ts";
export { Run } from "./objects/run/run.ts";
export { Writer } from "./objects/writer/writer.ts";

const app = createApp();

export default {
  fetch: app.fetch,
  async scheduled(controller, env) {
    const { failed } = await sweep(env, controller.scheduledTime);
    // The trigger's own record then shows it; each part has its line in the log.
    if (failed.length > 0)
      throw new Error(`parts of the sweep failed: ${failed.slice(0, 10).join(", ")}`);
  },
} satisfies ExportedHandler<Environment>;
