import { applyD1Migrations } from "cloudflare:test";
import { env } from "./env.ts";

export async function migrateIndex(): Promise<void> {
  await applyD1Migrations(env.INDEX, env.TEST_MIGRATIONS);
}
