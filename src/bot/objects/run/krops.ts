import {
  CONFIG,
  destructiveSettings,
  EXAMPLE,
  FOLDERS,
  type KropsDeclared,
  kropsDeclared,
  kropsNotice,
  type KropsTree,
  SHARED,
} from "../../../core/krops/index.ts";
import { CONFIGURATION_FILE } from "../../../core/config/schema.ts";
import type { Read, WriterContract } from "../contracts.ts";
import { need } from "./admission.ts";
import { readSource } from "./configuration.ts";
import { type Context, header, repo, writer } from "./context.ts";
import type { Header } from "./rows.ts";

/** What of krops is told beside a run; nothing waits for it. */
export async function tellKrops(context: Context): Promise<null> {
  const run = header(context);
  return run.reason.kind === "deploy" ? await warn(context, run) : await tellPull(context, run);
}

/** KRO-9: a plan, and the deploy, say which settings delete data of machines that build by themselves. */
async function warn(context: Context, run: Header): Promise<null> {
  const config = await configAt(run, writer(context, run), run.head);
  const told = destructiveSettings(config).map(
    ({ path, what, line }) =>
      `${path} ${what} on machines that are deployed by krops: ${line.slice(0, 300)}`,
  );
  if (told.length === 0) return null;
  context.storage.transactionSync(() => {
    const known = context.store.notices();
    for (const notice of told.slice(0, WARNINGS))
      if (!known.includes(notice)) context.store.notice(notice);
    context.tasks.at("report", context.now());
  });
  return null;
}

/**
 * Tells a pull request where the machines of a krops repository are named differently, by the files that are committed.
 */
async function tellPull(context: Context, run: Header): Promise<null> {
  if (run.reason.kind !== "pull_request" || run.built === null) return null;
  const github = writer(context, run);
  const head = await declaredAt(run, github, run.built);
  const policy = need(
    await repo(context, run).policy(run.identity),
    "default branch's configuration",
  );
  const base = kropsOf(policy.text);
  const declared = head ?? base;
  if (declared === null) return null;
  const was = run.base ?? policy.commit;
  const [before, now] = await Promise.all([
    treeAt(run, github, was, { ...declared, machines: base?.machines ?? [] }),
    treeAt(run, github, run.built, { ...declared, machines: head?.machines ?? [] }),
  ]);
  const told = kropsNotice(isKrops(before) ? before : null, now);
  await repo(context, run).section(run.id, "krops", told === "" ? null : told);
  return null;
}

/** Warnings of one run. */
const WARNINGS = 16;
/** Modules that are read; each is a request. */
const MODULES = 16;

const isKrops = ({ krops, build, folders }: KropsTree): boolean =>
  krops !== null || build !== null || folders !== null;

async function declaredAt(
  run: Header,
  github: WriterContract,
  sha: string,
): Promise<KropsDeclared | null> {
  return kropsOf(await textAt(run, github, CONFIGURATION_FILE, sha));
}

function kropsOf(text: string | null): KropsDeclared | null {
  const read = readSource({ text });
  return read.ok ? kropsDeclared(read.configuration) : null;
}

async function treeAt(
  run: Header,
  github: WriterContract,
  sha: string,
  declared: KropsDeclared,
): Promise<KropsTree> {
  const [krops, build, machines, shared, example, config] = await Promise.all([
    firstAt(run, github, declared.krops, sha),
    firstAt(run, github, declared.build, sha),
    entriesAt(run, github, FOLDERS, sha),
    textAt(run, github, SHARED, sha),
    textAt(run, github, EXAMPLE, sha),
    configAt(run, github, sha),
  ]);
  const folders = machines?.filter(({ isFolder }) => isFolder).map(({ name }) => name) ?? null;
  return { krops, build, folders, shared, example, config, declared: declared.machines };
}

/** Modules that every machine shares, as far as they are files of one folder. */
async function configAt(
  run: Header,
  github: WriterContract,
  sha: string,
): Promise<{ path: string; text: string }[]> {
  const entries = (await entriesAt(run, github, CONFIG, sha)) ?? [];
  const paths = entries
    .filter(({ name, isFolder }) => !isFolder && name.endsWith(".nix"))
    .map(({ name }) => `${CONFIG}/${name}`);
  const texts = await Promise.all(
    paths
      .slice(0, MODULES)
      .map(async (path) => ({ path, text: await textAt(run, github, path, sha) })),
  );
  return texts.flatMap(({ path, text }) => (text === null ? [] : [{ path, text }]));
}

async function entriesAt(
  run: Header,
  github: WriterContract,
  path: string,
  sha: string,
): Promise<{ name: string; isFolder: boolean }[] | null> {
  return present(await github.entries(run.identity.repository, path, sha), path);
}

/** The first of the paths that is there. */
async function firstAt(
  run: Header,
  github: WriterContract,
  paths: readonly string[],
  sha: string,
): Promise<{ path: string; text: string } | null> {
  for (const path of paths) {
    const text = await textAt(run, github, path, sha);
    if (text !== null) return { path, text };
  }
  return null;
}

/** Null for what is not there, and for what is no file. */
async function textAt(
  run: Header,
  github: WriterContract,
  path: string,
  sha: string,
): Promise<string | null> {
  return present(await github.file(run.identity.repository, path, sha), path)?.text ?? null;
}

/** Null where it is missing; what GitHub does not say now is asked again. */
function present<T>(read: Read<T>, what: string): T | null {
  return !read.ok && read.missing ? null : need(read, what);
}
