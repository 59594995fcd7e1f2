import { destructiveSettings, machinesNamed, PLACE_WORDS } from "../../../../core/krops/index.ts";
import type { MethodEnd, MethodPlace } from "../method.ts";
import { entriesOf, type Overlay, stageOverlay } from "./overlay.ts";
import { decryptSecrets, maskEnvironments } from "./secrets.ts";
import { NO_SETTINGS } from "./settings.ts";
import { tell } from "./told.ts";
import type { KropsTool } from "./tool.ts";
import { existing, failed, missing, modulesOf, textOf } from "./tree.ts";

/** The operator's files come over the checkout, and the names in both are compared (KRO-2, KRO-3). */
export async function layOverlay(place: MethodPlace<KropsTool>): Promise<MethodEnd> {
  const settings = place.policy.krops ?? NO_SETTINGS;
  if (settings.overlay === null) {
    place.say("no overlay: the checkout is deployed as it is");
    const decrypted = await decryptFor(place);
    if (decrypted.kind !== "done") return decrypted;
    return await compareNames(place, []);
  }
  let overlay: Overlay;
  try {
    overlay = await stageOverlay(settings.overlay, folderOf(place.tool), settings);
  } catch (cause) {
    return failed(`the overlay ${settings.overlay} cannot be read: ${wordsOf(cause)}`);
  }
  try {
    for (const left of overlay.left) place.say(`overlay: not brought: ${left}`);
    if (overlay.dangling.length > 0)
      return missing(overlay.dangling.map((link) => `overlay: a link that leads nowhere: ${link}`));
    const taken = await tracked(place, overlay.folder, "");
    if (taken.length > 0)
      return failed(
        `the overlay holds what the repository has itself: ${taken.join(", ")}. What was approved is not replaced: take it out of the overlay, or out of git`,
      );
    await maskEnvironments(place, overlay.environments);
    await place.bring(overlay.folder, place.tree);
    const decrypted = await decryptFor(place);
    if (decrypted.kind !== "done") return decrypted;
    return await compareNames(place, overlay.machines);
  } finally {
    await overlay.close();
  }
}

/** Its folders are called as the last word of its attribute. */
const folderOf = ({ attribute }: KropsTool): string => attribute.split(".").at(-1) ?? attribute;

async function decryptFor(place: MethodPlace<KropsTool>): Promise<MethodEnd> {
  const { age } = place.policy.krops ?? NO_SETTINGS;
  return age === null ? { kind: "done" } : await decryptSecrets(place, age);
}

/** Files that both have. A folder of both is looked into. */
async function tracked(
  place: MethodPlace<KropsTool>,
  folder: string,
  at: string,
): Promise<string[]> {
  const entries = await entriesOf(folder, at);
  const both = await existing(
    place,
    entries.map(({ path }) => path),
  );
  const found: string[] = [];
  for (const { path, kind } of both) {
    const entry = entries.find((one) => one.path === path);
    if (entry?.isFolder === true && kind === "folder")
      found.push(...(await tracked(place, folder, path)));
    else found.push(path);
  }
  return found;
}

/** The real files, as they will be used: a machine that is missing somewhere, or that uses another's folders. */
async function compareNames(
  place: MethodPlace<KropsTool>,
  overlaid: readonly string[],
): Promise<MethodEnd> {
  const { attribute, build } = place.tool;
  const krops = await textOf(place, build.krops);
  const local = build.local === null ? null : await textOf(place, build.local);
  if (krops === null)
    return missing([`${build.krops} is neither in the repository nor in the overlay`]);
  if (build.local !== null && local === null)
    return missing([`${build.local} is neither in the repository nor in the overlay`]);
  for (const { path, what, line } of destructiveSettings(await modulesOf(place)))
    tell(place, `warning: ${path} ${what}: ${line.slice(0, 300)}`);
  const named = machinesNamed({
    krops: { path: build.krops, text: krops },
    build: build.local === null || local === null ? null : { path: build.local, text: local },
    folders: overlaid.length === 0 ? null : overlaid,
  });
  for (const one of named)
    if (one.missing.length > 0)
      tell(
        place,
        `names: ${one.machine} is named in ${words(one.in)} and not in ${words(one.missing)}`,
      );
  const own = named.find(({ machine }) => machine === folderOf(place.tool));
  const others = (own?.others ?? []).map(({ machine, text }) => `${machine} (${text})`);
  return others.length === 0
    ? { kind: "done" }
    : failed(
        `${attribute} uses what is another machine's: ${others.join(", ")}. Its site and settings would be put on ${attribute}`,
      );
}

const words = (places: readonly (keyof typeof PLACE_WORDS)[]): string =>
  places.map((place) => PLACE_WORDS[place]).join(", ");

const wordsOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : String(cause);
