import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** A file made from the sources. */
export interface Generated {
  /** Relative to the checkout. */
  readonly path: string;
  readonly content: string;
}

/** What each module in scripts/generate exports as `generate`. It writes nothing itself. */
export type Generator = (root: string) => Promise<readonly Generated[]>;

const folder = "scripts/generate";

/** Everything that the generators of this checkout make; the folder is the registry. */
export async function generateAll(root: string): Promise<readonly Generated[]> {
  if (!existsSync(join(root, folder))) return [];
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(".ts"));
  const made = names.toSorted().map(async (name) => {
    const file = join(root, folder, name);
    const module = (await import(pathToFileURL(file).href)) as { generate?: Generator };
    if (!module.generate) throw new Error(`${folder}/${name} does not export "generate"`);
    return module.generate(root);
  });
  return (await Promise.all(made)).flat();
}
