import type { IsolatedJob, Isolation } from "../isolation/index.ts";
import type { Workspace } from "../nix/launch.ts";
import { workspaceOf } from "../nix/workspace.ts";

/** Repositories that are kept; each holds one of the runner's job users. */
const KEPT = 4;
/** Commits that one is used for before it starts anew: packs and refs pile up, and nothing collects them (gc.auto=0). */
const USES = 256;

/** What is kept of one repository between jobs: a user and a directory that no job's program ever enters. */
export interface Kept {
  readonly workspace: Workspace;
  /** Repositories beneath it by address (submodules have one of their own), with what is known to be there. */
  readonly places: Map<string, { readonly number: number; readonly commits: Set<string> }>;
}

/** The repositories that a runner keeps, so that the next commit of one costs its difference only. */
export interface Mirrors {
  /**
   * Works on a repository's own place, alone. Null where no user is free for it. `key` names the repository for good
   * (its number): what one repository's jobs fetched is never seen by another's.
   */
  use<T>(key: string, work: (kept: Kept) => Promise<T>): Promise<T | null>;
  /** After something that should not happen: the next use starts anew. */
  forget(key: string): void;
  /** Frees the user of a repository that is not in use. @returns false when there is none. */
  release(): Promise<boolean>;
}

interface Entry {
  readonly kept: Promise<{ readonly job: IsolatedJob; readonly kept: Kept } | null>;
  uses: number;
  /** Those that work on it or wait for it: it stays while there are any. */
  busy: number;
  last: Promise<unknown>;
}

export function mirrors(isolation: Isolation): Mirrors {
  /** In the order of their last use. */
  const entries = new Map<string, Entry>();
  const open = async (key: string): Promise<{ job: IsolatedJob; kept: Kept } | null> => {
    // No user is free: the caller fetches in its own job.
    const job = await isolation.openJob(`mirror ${key}`).catch(() => null);
    return job === null ? null : { job, kept: { workspace: workspaceOf(job), places: new Map() } };
  };
  const end = async (entry: Entry): Promise<void> => {
    await entry.last.catch(() => {});
    await (await entry.kept)?.job.dispose();
  };
  const idle = (): string | undefined => entries.entries().find(([, { busy }]) => busy === 0)?.[0];
  const drop = async (key: string): Promise<void> => {
    const entry = entries.get(key);
    entries.delete(key);
    if (entry !== undefined) await end(entry);
  };
  return {
    async use(key, work) {
      const known = entries.get(key);
      const worn = known !== undefined && known.uses >= USES && known.busy === 0;
      const entry: Entry =
        known === undefined || worn
          ? { kept: open(key), uses: 0, busy: 0, last: Promise.resolve() }
          : known;
      entry.busy += 1;
      entry.uses += 1;
      entries.delete(key);
      entries.set(key, entry);
      try {
        if (worn) await end(known);
        const opened = await entry.kept;
        if (opened === null) {
          if (entries.get(key) === entry) entries.delete(key);
          return null;
        }
        const turn = entry.last.catch(() => {}).then(() => work(opened.kept));
        entry.last = turn;
        return await turn;
      } finally {
        entry.busy -= 1;
        const oldest = entries.size > KEPT ? idle() : undefined;
        if (oldest !== undefined) await drop(oldest);
      }
    },
    forget(key) {
      const entry = entries.get(key);
      entries.delete(key);
      // Its directory goes when whoever works on it has ended.
      if (entry !== undefined) void end(entry);
    },
    async release() {
      const key = idle();
      if (key !== undefined) await drop(key);
      return key !== undefined;
    },
  };
}
