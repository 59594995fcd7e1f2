import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import type { Mutant } from "./mutants.ts";

const ROOT = join(import.meta.dirname, "../..");

/** What `cloudflare:workers` gives the object classes. */
const PLATFORM = `export class DurableObject { constructor(ctx, env) { this.ctx = ctx; this.env = env; } }`;

/** The Worker as one file that Node runs; with a mutant, its fault is in it and nowhere else. */
export async function bundleWorker(outfile: string, mutant: Mutant | null): Promise<void> {
  const silent = (name: string) => join(ROOT, `src/bot/github/silent/${name}.ts`);
  const { errors } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["src/bot/worker.ts"],
    outfile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    tsconfig: "tsconfig.bot.json",
    // As wrangler.toml has them.
    alias: {
      pino: silent("pino"),
      "pino-http": silent("pino-http"),
      "@probot/pino": silent("probot-pino"),
    },
    banner: {
      js: 'import { createRequire as snowcatRequire } from "node:module";\nconst require = snowcatRequire(import.meta.url);',
    },
    plugins: [platform, ...(mutant === null ? [] : [planted(mutant)])],
    logLevel: "silent",
  });
  if (errors.length > 0) throw new Error(errors.map(({ text }) => text).join("\n"));
}

const platform: Plugin = {
  name: "platform",
  setup(on) {
    on.onResolve({ filter: /^cloudflare:workers$/ }, ({ path }) => ({
      path,
      namespace: "platform",
    }));
    on.onLoad({ filter: /.*/, namespace: "platform" }, () => ({
      contents: PLATFORM,
      loader: "js",
    }));
  },
};

/** A mutant whose place is not there any more must be planted anew: it would be caught by nobody, and nobody would know. */
function planted({ name, file, from, to }: Mutant): Plugin {
  return {
    name: "mutant",
    setup(on) {
      on.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (path !== join(ROOT, file)) return null;
        const text = await readFile(path, "utf8");
        const parts = text.split(from);
        if (parts.length !== 2)
          throw new Error(
            `mutant ${name}: ${JSON.stringify(from)} is ${parts.length - 1} times in ${file}, not once`,
          );
        return { contents: parts.join(to), loader: "ts" };
      });
    },
  };
}
