import type { Clock } from "./platform/clock.ts";
import type { Random } from "./platform/random.ts";
import type { Hooks } from "./github/hooks.ts";
import type { Payloads } from "./github/payloads.ts";
import type { CheckRun, Commit, Nature, Person, Pull, Repository, Truth } from "./github/truth.ts";

import { History } from "./history.ts";

/** What hands do to branches: each time GitHub tells of it. */
export class Hands {
  readonly history = new History();
  readonly clock: Clock;
  readonly random: Random;
  readonly truth: Truth;
  readonly hooks: Hooks;
  readonly payloads: Payloads;
  comment = 1_000;
  named = 0;
  readonly moves = new Map<string, number[]>();

  constructor(clock: Clock, random: Random, truth: Truth, hooks: Hooks, payloads: Payloads) {
    this.clock = clock;
    this.random = random;
    this.truth = truth;
    this.hooks = hooks;
    this.payloads = payloads;
  }

  found(id: number): void {
    const now = this.clock.now;
    const first = this.truth.commit("good", []);
    this.truth.repositories.push({
      id,
      name: `r${id}`,
      formerly: [],
      owner: this.truth.owner,
      defaultBranch: "main",
      branches: new Map([["main", first.sha]]),
      pulls: new Map(),
      groups: new Map(),
      nextNumber: 1,
      updatedAt: now,
      pushedAt: now,
    });
  }

  /** The App is installed, and everybody's branches come in by their next push. */
  install(): void {
    this.hooks.emit("installation", this.payloads.installed(this.truth.people[0] as Person));
    for (const repository of this.truth.repositories) this.pushTo(repository, "main");
  }

  /** GitHub tells an App of its own checks too. */
  checked(check: CheckRun, action: "created" | "completed"): void {
    const repository = this.truth.repository(check.repository);
    const bot = { id: 99, login: "snowcat[bot]", role: "write", type: "User" } as const;
    this.hooks.emit("check_run", this.payloads.check(repository, bot, check, action));
    if (action === "completed" && check.name === "snowcat")
      this.hooks.emit("check_suite", this.payloads.suite(repository, bot, check.head, "completed"));
  }

  nature(): Nature {
    const dice = this.random.unit();
    return dice < 0.7 ? "good" : dice < 0.88 ? "broken" : "unevaluable";
  }

  writer(): Person {
    return this.random.pick(this.truth.writers);
  }

  /** @param plain without a configuration: the default branch never has one, so that what counts is the same throughout. */
  newCommit(parent: string, plain: boolean): Commit {
    const before = this.truth.find(parent);
    const { declares, nature, tree } = before;
    // Amended: another commit of the same tree.
    if (this.random.chance(0.1))
      return this.truth.commit(nature, before.parents, { tree, declares });
    const conflicts = this.random.chance(0.06);
    return this.truth.commit(this.nature(), [parent], {
      conflicts,
      declares: plain ? null : this.declared(declares),
    });
  }

  /** Now and then a commit brings a configuration, changes it, or takes it away. */
  declared(before: string | null): string | null {
    if (!this.random.chance(0.15)) return before;
    if (before !== null && this.random.chance(0.5)) return null;
    this.named += 1;
    return `test-${this.named}`;
  }

  /** Moves a branch as a push does: the push, and `synchronize` where pull requests have it as their head. */
  move(repository: Repository, branch: string, to: string | null, by: Person): void {
    const before = repository.branches.get(branch) ?? null;
    if (before === to || this.twiceThisSecond(`${repository.id} ${branch}`)) return;
    repository.pushedAt = this.clock.now;
    repository.updatedAt = this.clock.now;
    if (to === null) repository.branches.delete(branch);
    else {
      repository.branches.set(branch, to);
      this.history.took(repository.id, to, `push:${branch}`);
    }
    this.hooks.emit(
      "push",
      this.payloads.push(repository, by, { ref: `refs/heads/${branch}`, before, after: to }),
    );
    for (const pull of repository.pulls.values()) {
      if (!pull.open || pull.fork || pull.headRef !== branch) continue;
      if (to === null) this.end(repository, pull, by, false);
      else this.synchronize(repository, pull, to, by);
    }
  }

  /**
   * GitHub tells seconds, and no order: of two pushes within one, each says what it replaced; of three, the first and the
   * last have nothing in common (docs/answers.md).
   */
  twiceThisSecond(branch: string): boolean {
    const second = Math.floor(this.clock.now / 1_000);
    const moves = (this.moves.get(branch) ?? []).filter((at) => at === second);
    this.moves.set(branch, [...moves, second]);
    return moves.length >= 2;
  }

  /** Whether anything happened to it within this second. */
  justTouched(pull: Pull): boolean {
    return Math.floor(pull.updatedAt / 1_000) === Math.floor(this.clock.now / 1_000);
  }

  synchronize(repository: Repository, pull: Pull, head: string, by: Person): void {
    const before = pull.head;
    pull.head = head;
    this.touch(pull);
    this.history.took(repository.id, head, `pull:${pull.number}`);
    this.emitPull(repository, by, pull, "synchronize", { before });
  }

  touch(pull: Pull): void {
    pull.updatedAt = this.clock.now;
    pull.pending = this.random.below(4);
  }

  emitPull(
    repository: Repository,
    by: Person,
    pull: Pull,
    action: string,
    more?: { before?: string; changes?: object },
  ): void {
    this.hooks.emit("pull_request", this.payloads.pull(repository, by, pull, action, more));
  }

  pushTo(repository: Repository, branch: string): void {
    const parent = repository.branches.get(branch);
    if (parent === undefined) return;
    const { sha } = this.newCommit(parent, branch === repository.defaultBranch);
    this.move(repository, branch, sha, this.writer());
  }

  someBranch(repository: Repository): string {
    return this.random.pick([...repository.branches.keys()]);
  }

  pushNew(repository: Repository): void {
    this.pushTo(repository, this.someBranch(repository));
  }

  /** Several pushes of one branch within a second or so. */
  burst(repository: Repository): void {
    const branch = this.someBranch(repository);
    for (let i = 0; i < 2; i += 1)
      this.clock.after(i * this.random.below(1_500), () => this.pushTo(repository, branch));
  }

  /** A force push to what a branch was before. */
  pushBack(repository: Repository): void {
    const branch = this.someBranch(repository);
    const head = repository.branches.get(branch);
    const older = head && this.truth.find(head).parents[0];
    if (older) this.move(repository, branch, older, this.writer());
  }

  branch(repository: Repository): void {
    if (repository.branches.size > 6) return this.deleteBranch(repository);
    this.named += 1;
    const from = repository.branches.get(this.someBranch(repository));
    if (from === undefined) return;
    // Now and then a name that was there before.
    const name = this.random.chance(0.2) ? "again" : `topic-${this.named}`;
    const to = this.random.chance(0.3) ? from : this.newCommit(from, false).sha;
    this.move(repository, name, to, this.writer());
  }

  deleteBranch(repository: Repository): void {
    const branch = this.someBranch(repository);
    if (branch === repository.defaultBranch) return;
    this.move(repository, branch, null, this.writer());
  }

  tag(repository: Repository): void {
    const head = repository.branches.get(repository.defaultBranch) ?? null;
    this.named += 1;
    this.hooks.emit(
      "push",
      this.payloads.push(repository, this.writer(), {
        ref: `refs/tags/v${this.named}`,
        before: null,
        after: head,
      }),
    );
  }

  propose(repository: Repository, by: Person, pull: Pick<Pull, "head" | "headRef" | "fork">): void {
    const number = repository.nextNumber;
    repository.nextNumber += 1;
    const opened: Pull = {
      ...pull,
      number,
      open: true,
      merged: false,
      draft: this.random.chance(0.2),
      baseRef: repository.defaultBranch,
      author: by,
      updatedAt: this.clock.now,
      closedAt: null,
      pending: this.random.below(4),
    };
    repository.pulls.set(number, opened);
    this.history.took(repository.id, pull.head, `pull:${number}`);
    this.emitPull(repository, by, opened, "opened");
  }

  open(repository: Repository): void {
    const branch = this.someBranch(repository);
    const head = repository.branches.get(branch);
    const taken = [...repository.pulls.values()].some(
      (pull) => pull.open && !pull.fork && pull.headRef === branch,
    );
    if (branch === repository.defaultBranch || taken || head === undefined) return;
    if (head === repository.branches.get(repository.defaultBranch)) return;
    this.propose(repository, this.writer(), { head, headRef: branch, fork: false });
  }

  end(repository: Repository, pull: Pull, by: Person, merged: boolean): void {
    pull.open = false;
    pull.merged = merged;
    pull.updatedAt = this.clock.now;
    pull.closedAt = this.clock.now;
    this.history.ended(repository.id, `pull:${pull.number}`);
    this.emitPull(repository, by, pull, "closed");
  }
}
