import { generateKeyPairSync, randomBytes } from "node:crypto";
import { join } from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import type { TestProjectConfiguration } from "vitest/config";
import { unstable_readConfig } from "wrangler";
import { testsIn } from "./folders.ts";

/**
 * Tests inside workerd, each file in a Worker of its own or (`shared`) all in one, on the bindings of wrangler.toml. They
 * find the D1 migrations in `env.TEST_MIGRATIONS` (for `applyD1Migrations`) and secrets that were made for this run.
 */
export async function botProject(
  root: string,
  name: "bot" | "shared",
): Promise<TestProjectConfiguration> {
  const configPath = join(root, "wrangler.toml");
  const { alias } = unstable_readConfig({ config: configPath });
  const aliases = Object.entries(alias ?? {}).map(([find, target]) => ({
    // Exact: "pino" must not catch "pino/file".
    find: new RegExp(`^${RegExp.escape(find)}$`),
    replacement: join(root, String(target)),
  }));
  const migrations = await readD1Migrations(join(root, "migrations"));
  return {
    plugins: [
      cloudflareTest({
        wrangler: { configPath },
        miniflare: { bindings: { ...secrets(), TEST_MIGRATIONS: migrations } },
      }),
    ],
    resolve: { alias: aliases },
    test: {
      name,
      include: testsIn(name),
      exclude: name === "bot" ? testsIn("shared") : [],
      isolate: name === "bot",
      testTimeout: 30_000,
      sequence: { groupOrder: 2 },
      maxWorkers: 2,
    },
  };
}

/** In the formats that src/bot/environment.ts documents. */
function secrets(): Record<string, string> {
  const app = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const specification = generateKeyPairSync("ed25519");
  return {
    GITHUB_APP_ID: "1",
    GITHUB_APP_PRIVATE_KEY: app.privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    GITHUB_WEBHOOK_SECRET: randomBytes(32).toString("hex"),
    OPERATOR_SECRET: randomBytes(32).toString("hex"),
    SPECIFICATION_KEY: specification.privateKey
      .export({ type: "pkcs8", format: "der" })
      .toString("base64"),
    ATTEMPT_KEY: randomBytes(32).toString("base64"),
  };
}
