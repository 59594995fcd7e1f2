import type { CheckRun, Person, Pull, Repository, Truth } from "./truth.ts";

const ZERO = "0".repeat(40);
export const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Payloads of webhooks with the members that Snowcat reads, and a few that it does not. */
export class Payloads {
  readonly #truth: Truth;

  constructor(truth: Truth) {
    this.#truth = truth;
  }

  push(
    repository: Repository,
    by: Person,
    change: { ref: string; before: string | null; after: string | null },
  ): object {
    return {
      ...this.#common(repository, by),
      repository: {
        ...this.#repository(repository),
        pushed_at: Math.floor(repository.pushedAt / 1_000),
      },
      ref: change.ref,
      before: change.before ?? ZERO,
      after: change.after ?? ZERO,
      created: change.before === null,
      deleted: change.after === null,
      forced: false,
      commits: [],
    };
  }

  pull(
    repository: Repository,
    by: Person,
    pull: Pull,
    action: string,
    more: { before?: string; changes?: object } = {},
  ): object {
    const base = this.#truth.base(repository, pull.baseRef);
    return {
      ...this.#common(repository, by),
      action,
      number: pull.number,
      ...more,
      ...(more.before === undefined ? {} : { after: pull.head }),
      pull_request: {
        number: pull.number,
        state: pull.open ? "open" : "closed",
        merged: pull.merged,
        draft: pull.draft,
        updated_at: iso(pull.updatedAt),
        closed_at: pull.closedAt === null ? null : iso(pull.closedAt),
        user: { login: pull.author.login, id: pull.author.id },
        head: {
          sha: pull.head,
          ref: pull.headRef,
          repo: { id: pull.fork ? repository.id + 5_000 : repository.id },
        },
        base: { sha: base, ref: pull.baseRef, repo: { id: repository.id } },
      },
    };
  }

  mergeGroup(
    repository: Repository,
    by: Person,
    action: string,
    group: { ref: string; head: string; base: string },
  ): object {
    return {
      ...this.#common(repository, by),
      action,
      merge_group: {
        head_sha: group.head,
        head_ref: `refs/heads/${group.ref}`,
        base_sha: group.base,
        base_ref: `refs/heads/${repository.defaultBranch}`,
      },
    };
  }

  check(
    repository: Repository,
    by: Person,
    check: CheckRun,
    action: string,
    identifier?: string,
  ): object {
    return {
      ...this.#common(repository, by),
      action,
      check_run: {
        id: check.id,
        name: check.name,
        head_sha: check.head,
        external_id: check.externalId,
        status: check.status,
        conclusion: check.conclusion,
        app: { id: this.#truth.app },
      },
      ...(identifier === undefined ? {} : { requested_action: { identifier } }),
    };
  }

  suite(repository: Repository, by: Person, head: string, action: string): object {
    return { ...this.#common(repository, by), action, check_suite: { id: 1, head_sha: head } };
  }

  comment(
    repository: Repository,
    by: Person,
    pull: number,
    comment: { id: number; body: string; action?: string },
  ): object {
    return {
      ...this.#common(repository, by),
      action: comment.action ?? "created",
      comment: {
        id: comment.id,
        body: comment.body,
        user: { id: by.id, login: by.login, type: by.type },
        created_at: iso(Date.now()),
        author_association: by.role === "write" ? "MEMBER" : "NONE",
      },
      issue: {
        number: pull,
        state: "open",
        pull_request: { url: "https://api.github.test/x" },
        user: { id: by.id, login: by.login, type: by.type },
      },
    };
  }

  repositoryEvent(repository: Repository, by: Person, action: string, changes: object): object {
    return { ...this.#common(repository, by), action, changes };
  }

  other(repository: Repository, by: Person, action: string): object {
    return { ...this.#common(repository, by), action };
  }

  installed(by: Person): object {
    return {
      action: "created",
      installation: { id: this.#truth.installation, account: { ...this.#truth.owner } },
      sender: { id: by.id, login: by.login, type: by.type },
      repositories: this.#truth.repositories.map(({ id, name, owner }) => ({
        id,
        name,
        full_name: `${owner.login}/${name}`,
        private: false,
      })),
    };
  }

  #common(repository: Repository, by: Person) {
    return {
      repository: this.#repository(repository),
      installation: { id: this.#truth.installation },
      sender: { id: by.id, login: by.login, type: by.type },
    };
  }

  #repository({ id, name, owner, defaultBranch, updatedAt }: Repository) {
    return {
      id,
      name,
      full_name: `${owner.login}/${name}`,
      private: false,
      default_branch: defaultBranch,
      clone_url: `https://github.test/${owner.login}/${name}.git`,
      updated_at: iso(updatedAt),
      owner: { ...owner, type: "Organization" },
    };
  }
}
