import { createHash } from "node:crypto";

/** What a commit is: the runners find it out, the oracle knows it. */
export type Nature = "good" | "broken" | "unevaluable";

export type Commit = {
  sha: string;
  tree: string;
  nature: Nature;
  parents: string[];
  /** Does not merge into any base. */
  conflicts: boolean;
  /** Name of the test that its `.github/snowcat.yml` declares; null where it has no such file. */
  declares: string | null;
};

export type Person = { id: number; login: string; role: "write" | "read"; type: "User" };

export type Pull = {
  number: number;
  open: boolean;
  merged: boolean;
  draft: boolean;
  head: string;
  headRef: string;
  baseRef: string;
  fork: boolean;
  author: Person;
  updatedAt: number;
  /** Null while it is open. */
  closedAt: number | null;
  /** How often GitHub is still to say that it does not know the test merge yet. */
  pending: number;
};

export type CheckRun = {
  id: number;
  repository: number;
  name: string;
  head: string;
  externalId: string;
  status: "queued" | "in_progress" | "completed";
  conclusion: string | null;
  annotations: number;
  output: { title: string; summary: string };
  /** Requests for lists that do not show it yet. */
  hidden: number;
};

export type Repository = {
  id: number;
  name: string;
  /** Names it had before: they lead to it as long as nothing else is called so. */
  formerly: string[];
  owner: { id: number; login: string };
  defaultBranch: string;
  branches: Map<string, string>;
  pulls: Map<number, Pull>;
  /** Merge groups: queue branch → head. */
  groups: Map<string, { head: string; base: string; open: boolean }>;
  nextNumber: number;
  updatedAt: number;
  pushedAt: number;
};

export function hash(...parts: (string | number)[]): string {
  return createHash("sha1").update(parts.join(" ")).digest("hex");
}

/** What is so, at GitHub. Nothing of Snowcat's is known here. */
export class Truth {
  readonly repositories: Repository[] = [];
  readonly commits = new Map<string, Commit>();
  readonly checks: CheckRun[] = [];
  readonly people: Person[];
  readonly installation = 9;
  readonly app = 1;
  readonly owner = { id: 77, login: "o" };
  #made = 0;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    const person = (id: number, login: string, role: Person["role"]): Person => ({
      id,
      login,
      role,
      type: "User",
    });
    this.people = [person(3, "ada", "write"), person(4, "bob", "write"), person(5, "eve", "read")];
  }

  get writers(): Person[] {
    return this.people.filter(({ role }) => role === "write");
  }

  get stranger(): Person {
    const found = this.people.find(({ role }) => role === "read");
    if (found === undefined) throw new Error("nobody is a stranger");
    return found;
  }

  commit(nature: Nature, parents: string[], more: Partial<Commit> = {}): Commit {
    this.#made += 1;
    const sha = hash("commit", this.#seed, this.#made);
    const commit: Commit = {
      sha,
      tree: hash("tree", sha),
      nature,
      parents,
      conflicts: false,
      declares: null,
      ...more,
    };
    this.commits.set(sha, commit);
    return commit;
  }

  find(sha: string): Commit {
    const commit = this.commits.get(sha);
    if (commit === undefined) throw new Error(`there is no commit ${sha}`);
    return commit;
  }

  repository(id: number): Repository {
    const found = this.repositories.find((one) => one.id === id);
    if (found === undefined) throw new Error(`there is no repository ${id}`);
    return found;
  }

  base(repository: Repository, branch: string): string {
    return repository.branches.get(branch) ?? this.#head(repository);
  }

  #head(repository: Repository): string {
    const head = repository.branches.get(repository.defaultBranch);
    if (head === undefined) throw new Error(`${repository.name} has no default branch`);
    return head;
  }

  /** The test merge of a pull request: what its head is, merged. */
  merge(repository: Repository, pull: Pull): Commit {
    const head = this.find(pull.head);
    const base = this.base(repository, pull.baseRef);
    const sha = hash("merge", repository.id, pull.number, pull.head, base);
    const known = this.commits.get(sha);
    if (known !== undefined) return known;
    const merged: Commit = {
      sha,
      tree: hash("merged", head.tree),
      nature: head.nature,
      parents: [base, pull.head],
      conflicts: false,
      declares: head.declares,
    };
    this.commits.set(sha, merged);
    return merged;
  }
}
