import { disappeared, govern, type Governed } from "../../../core/config/govern.ts";
import {
  type ConfigurationError,
  type ConfigurationRead,
  readConfiguration,
  UNREADABLE,
} from "../../../core/config/read.ts";
import { CONFIGURATION_FILE } from "../../../core/config/schema.ts";
import { type PolicySource, type Read, type WriterContract } from "../contracts.ts";
import { type Context, header, writer } from "./context.ts";
import type { Header } from "./rows.ts";

/** A configuration's text where it stands. `problem`: what is there is no file that can be read. */
export type Source = Pick<PolicySource, "text" | "problem">;

export function readSource({ text, problem }: Source): ConfigurationRead {
  const read = readConfiguration(problem === undefined ? text : null);
  if (problem === undefined) return read;
  // Nothing can be read of it: as little is trusted as of a text that is no YAML.
  return {
    ok: false,
    errors: [{ file: CONFIGURATION_FILE, line: 1, column: 1, message: problem }],
    rest: UNREADABLE,
  };
}

/**
 * Asks for the configuration of the tree that is built, where it may become the default branch's: of pull requests and
 * merge groups. It is read to be checked; what of it counts is another question. Null for a push.
 */
export function askOwn(
  run: Header,
  sha: string,
  github: WriterContract,
): Promise<Read<Source>> | null {
  if (run.reason.kind === "push") return null;
  return askAt(run, sha, github);
}

/** The file at a commit; that there is none is an answer. */
async function askAt(run: Header, sha: string, github: WriterContract): Promise<Read<Source>> {
  const file = await github.file(run.identity.repository, CONFIGURATION_FILE, sha);
  return !file.ok && file.missing ? { ok: true, value: { text: null } } : file;
}

/** What the run goes by, of the default branch's and of the tree's own configuration. */
export function governed(base: ConfigurationRead, own: Source | null, adds: boolean): Governed {
  return govern({
    base,
    own: own === null ? null : readSource(own),
    ownExists: own !== null && (own.text !== null || own.problem !== undefined),
    adds,
  });
}

/**
 * Which of a tree's faults are on lines of the head: GitHub shows annotations there and nowhere else. The head's text may
 * be another than the test merge's; then its own faults are shown, or none, where the fault came with the base.
 */
export async function onHead(
  run: Header,
  built: string,
  errors: ConfigurationError[],
  github: WriterContract,
): Promise<Read<ConfigurationError[]>> {
  if (built === run.head) return { ok: true, value: errors };
  const head = await askAt(run, run.head, github);
  if (!head.ok) return head;
  const read = readSource(head.value);
  return { ok: true, value: read.ok ? [] : read.errors };
}

/**
 * A default branch without a configuration may have had one before the push: that is told when GitHub has answered, and
 * nothing else waits for it.
 */
export async function tellGone(context: Context): Promise<null> {
  const run = header(context);
  const gone = await askGone(run, writer(context, run));
  if (gone === null || context.store.notices().includes(gone)) return null;
  context.storage.transactionSync(() => {
    context.store.notice(gone);
    context.tasks.at("report", context.now());
  });
  return null;
}

/** What to say of it; null where there was none. */
async function askGone(run: Header, github: WriterContract): Promise<string | null> {
  const { reason, identity } = run;
  if (
    reason.kind !== "push" ||
    reason.before === null ||
    reason.ref !== `refs/heads/${identity.repository.defaultBranch}`
  )
    return null;
  const before = await askAt(run, reason.before, github);
  // It is a notice: where GitHub does not answer, there is none.
  if (!before.ok || (before.value.text === null && before.value.problem === undefined)) return null;
  return disappeared(readSource(before.value));
}
