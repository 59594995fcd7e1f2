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
      id: repository, name: `r${repository}`, full_name: `o/r${repository}`, private: false, default_branch: "main",
      clone_url: `https://github.com/o/r${repository}.git`, owner: { id: owner, login: "o" },
    },
    installation: { id: 9 },
    sender: { id: 3, login: sender, type: senderType },
  };
}

export function push(over: About & { ref?: string; before?: string; after?: string; pushedAt?: number }) {
  const base = common(over);
  const after = over.after ?? A;
  return {
    ...base,
    repository: { ...base.repository, ...(over.pushedAt === undefined ? {} : { pushed_at: over.pushedAt }) },
    ref: over.ref ?? "refs/heads/main", before: over.before ?? ZERO, after, deleted: after === ZERO,
  };
}
