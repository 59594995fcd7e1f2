/** Payloads with the fields that are read, of a repository of one owner. */

export const OWNER = 77;
export const A = "a".repeat(40);
export const B = "b".repeat(40);
export const C = "c".repeat(40);
const ZERO = "0".repeat(40);

type About = { repository: number; owner?: number; sender?: string; senderType?: string };

function common({ repository, owner = OWNER, sender = "ada", senderType = "User" }: About) {
  return {
    repository: {
      id: repository,
      name: `r${repository}`,
      full_name: `o/r${repository}`,
      private: false,
      default_branch: "main",
      clone_url: `https://github.com/o/r${repository}.git`,
      owner: { id: owner, login: "o" },
    },
    installation: { id: 9 },
    sender: { id: 3, login: sender, type: senderType },
  };
}

export function push(
  over: About & { ref?: string; before?: string; after?: string; pushedAt?: number },
) {
  const base = common(over);
  const after = over.after ?? A;
  return {
    ...base,
    repository: {
      ...base.repository,
      ...(over.pushedAt === undefined ? {} : { pushed_at: over.pushedAt }),
    },
    ref: over.ref ?? "refs/heads/main",
    before: over.before ?? ZERO,
    after,
    deleted: after === ZERO,
  };
}

type PullOver = About & {
  action?: string;
  number?: number;
  head?: string;
  headRef?: string;
  headRepository?: number | null;
  base?: string;
  baseRef?: string;
  state?: string;
  merged?: boolean;
  updatedAt?: string;
  before?: string;
  author?: string;
  changes?: object;
  draft?: boolean;
};
export function pull(over: PullOver) {
  const head = over.headRepository === undefined ? over.repository : over.headRepository;
  return {
    ...common(over),
    action: over.action ?? "opened",
    number: over.number ?? 7,
    before: over.before,
    changes: over.changes,
    pull_request: {
      number: over.number ?? 7,
      state: over.state ?? "open",
      merged: over.merged ?? false,
      draft: over.draft ?? false,
      updated_at: over.updatedAt ?? "2026-01-01T00:00:00Z",
      user: { login: over.author ?? over.sender ?? "ada" },
      head: {
        sha: over.head ?? A,
        ref: over.headRef ?? "topic",
        repo: head === null ? null : { id: head },
      },
      base: { sha: over.base ?? B, ref: over.baseRef ?? "main", repo: { id: over.repository } },
    },
  };
}

export function checkRun(
  over: About & {
    action: string;
    externalId: string;
    head?: string;
    identifier?: string;
    check?: number;
  },
) {
  return {
    ...common(over),
    action: over.action,
    check_run: { id: over.check ?? 1, head_sha: over.head ?? A, external_id: over.externalId },
    ...(over.identifier === undefined ? {} : { requested_action: { identifier: over.identifier } }),
  };
}

export function comment(
  over: About & { number?: number; body: string; action?: string; id?: number; at?: number },
) {
  const base = common(over);
  const at = new Date(over.at ?? Date.now()).toISOString().replace(/\.\d+Z$/u, "Z");
  return {
    ...base,
    action: over.action ?? "created",
    comment: { id: over.id ?? 5, body: over.body, created_at: at, user: base.sender },
    issue: { number: over.number ?? 7, pull_request: { url: "x" } },
  };
}

export function repository(over: About & { action: string; name?: string; private?: boolean }) {
  const base = common(over);
  return {
    ...base,
    action: over.action,
    repository: {
      ...base.repository,
      name: over.name ?? base.repository.name,
      private: over.private ?? false,
    },
  };
}

export function installation(over: { action: string; account?: number; repositories?: number[] }) {
  return {
    action: over.action,
    sender: { id: 3, login: "ada", type: "User" },
    installation: { id: 9, account: { id: over.account ?? OWNER, login: "o" } },
    repositories: (over.repositories ?? []).map((id) => ({
      id,
      name: `r${id}`,
      full_name: `o/r${id}`,
      private: false,
    })),
  };
}
