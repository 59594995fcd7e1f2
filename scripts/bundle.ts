import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { bundleOptions } from "../src/runner/bundle/options.ts";

// Makes dist/snowcat.mjs, the file that runners get; another path may be given.
const root = join(import.meta.dirname, "..");
const outfile = process.argv[2] ?? join(root, "dist/snowcat.mjs");
const { errors, metafile } = await build(bundleOptions(root, outfile));
if (errors.length > 0) throw new Error(errors.map(({ text }) => text).join("\n"));
await chmod(outfile, 0o755);
const bytes = Object.values(metafile?.outputs ?? {})[0]?.bytes ?? 0;
process.stdout.write(`${outfile}: ${Math.round(bytes / 1_024)} KiB\n`);
