import { constants } from "node:fs";
import {
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readlink,
  realpath,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { KropsSettings } from "./settings.ts";

/** KRO-3, KRO-11: an operator's folder, made ready to be laid over the checkout of one machine. */

export interface Overlay {
  /** The copy. */
  readonly folder: string;
  /** Links that lead nowhere, each with where it points. */
  readonly dangling: readonly string[];
  /** What was left out, and why. */
  readonly left: readonly string[];
  /** Files of environment variables in the copy. */
  readonly environments: readonly string[];
  /** Machines that it has a folder for under `config/machines`. */
  readonly machines: readonly string[];
  close(): Promise<void>;
}

const ENVIRONMENT = /(?:^|\/)(?:\.env(?:\.\w+)?|[^/]+\.env)$/u;
/** At its root it speaks of the overlay itself. */
const ITS_OWN = /^(?:readme(?:\.\w+)?|\.git)$/iu;

/**
 * A private copy in which links that lead out of the overlay are what they lead to, and no other machine's files are.
 * @throws when the folder cannot be read
 */
export async function stageOverlay(
  root: string,
  machine: string,
  { perMachine }: KropsSettings,
): Promise<Overlay> {
  const from = await realpath(root);
  const folder = await mkdtemp(join(tmpdir(), "snowcat-overlay-"));
  const close = async (): Promise<void> => await rm(folder, { recursive: true, force: true });
  const walk: Walk = {
    root: from,
    to: folder,
    machine,
    perMachine,
    dangling: [],
    left: [],
    environments: [],
    open: [],
  };
  try {
    await copyFolder(walk, from, "");
  } catch (cause) {
    await close();
    throw cause;
  }
  const machines = await readdir(join(from, "config/machines")).catch(() => []);
  return {
    folder,
    dangling: walk.dangling,
    left: walk.left,
    environments: walk.environments,
    machines,
    close,
  };
}

type Walk = {
  readonly root: string;
  readonly to: string;
  readonly machine: string;
  readonly perMachine: readonly string[];
  readonly dangling: string[];
  readonly left: string[];
  readonly environments: string[];
  /** Folders that are being copied, by their real paths: a link back to one of them has no end. */
  readonly open: string[];
};

async function copyFolder(walk: Walk, from: string, at: string): Promise<void> {
  walk.open.push(from);
  const own = walk.perMachine.includes(at);
  await mkdir(join(walk.to, at), { recursive: true, mode: 0o700 });
  for (const name of (await readdir(from)).toSorted()) {
    const path = at === "" ? name : `${at}/${name}`;
    if (at === "" && ITS_OWN.test(name)) walk.left.push(`${path}: the overlay's own`);
    else if (own && name !== walk.machine) walk.left.push(`${path}: another machine's`);
    else await copyEntry(walk, join(from, name), path);
  }
  walk.open.pop();
}

async function copyEntry(walk: Walk, from: string, at: string): Promise<void> {
  const entry = await lstat(from);
  if (entry.isSymbolicLink()) return await copyLink(walk, from, at);
  if (entry.isDirectory()) return await copyFolder(walk, from, at);
  if (!entry.isFile()) walk.left.push(`${at}: neither file, folder nor link`);
  else {
    const to = join(walk.to, at);
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    if (ENVIRONMENT.test(at)) walk.environments.push(to);
  }
}

async function copyLink(walk: Walk, from: string, at: string): Promise<void> {
  const target = await readlink(from);
  const real = await realpath(from).catch(() => null);
  if (real === null) {
    walk.dangling.push(`${at} → ${target}`);
    return;
  }
  const open = walk.open.find((one) => one === real || one.startsWith(`${real}${sep}`));
  if (open !== undefined) {
    walk.left.push(`${at}: leads back to a folder that holds it`);
    return;
  }
  // One of the overlay's own stays a link where it leads to what is brought as well.
  const inside = relative(walk.root, resolve(dirname(from), target));
  const stays = !isAbsolute(target) && !inside.startsWith("..") && !isOthers(walk, inside);
  if (stays && real.startsWith(`${walk.root}${sep}`)) await symlink(target, join(walk.to, at));
  else if (isOthers(walk, relative(walk.root, real)))
    walk.left.push(`${at}: leads to another machine's`);
  else if ((await stat(real)).isDirectory()) await copyFolder(walk, real, at);
  else await copyEntry(walk, real, at);
}

/** Whether a path of the overlay is of another machine. */
function isOthers(walk: Walk, path: string): boolean {
  return walk.perMachine.some(
    (folder) =>
      path.startsWith(`${folder}/`) && path.slice(folder.length + 1).split("/")[0] !== walk.machine,
  );
}

/** What is below a staged overlay, one level at a time. */
export async function entriesOf(
  folder: string,
  at: string,
): Promise<{ path: string; isFolder: boolean }[]> {
  const entries = await readdir(join(folder, at), { withFileTypes: true });
  return entries.map((entry) => ({
    path: at === "" ? entry.name : `${at}/${entry.name}`,
    isFolder: entry.isDirectory(),
  }));
}
