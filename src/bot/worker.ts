import { createApp } from "./api/app.ts";
import type { Environment } from "./environment.ts";

export { Account } from "./objects/account/account.ts";
export { Fleet } from "./objects/fleet/fleet.ts";
export { Log } from "./objects/log/log.ts";
export { Repo } from "./objects/repo/repo.ts";
export { Run } from "./objects/run/run.ts";
export { Writer } from "./objects/writer/writer.ts";

const app = createApp();

export default {
  fetch: app.fetch,
} satisfies ExportedHandler<Environment>;
