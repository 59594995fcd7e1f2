import { env as bindings } from "cloudflare:workers";
import type { D1Migration } from "cloudflare:test";
import type { Environment } from "../../../src/bot/environment.ts";

/** The bindings of wrangler.toml, typed; the tests' project adds the D1 migrations. */
export const env = bindings as unknown as Environment & { TEST_MIGRATIONS: D1Migration[] }; // the generated type is empty: types come from environment.ts
