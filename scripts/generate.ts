/** `npm run generate`: writes every generated file anew. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generateAll } from "./check/generators.ts";

const root = dirname(import.meta.dirname);
const files = await generateAll(root);
for (const { path, content } of files) {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
  console.log(path);
}
if (files.length === 0) console.log("no generators in scripts/generate");
