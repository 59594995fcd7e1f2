import type { Clock } from "./platform/clock.ts";
import type { Random } from "./platform/random.ts";
import type { Hooks } from "./github/hooks.ts";
import type { Payloads } from "./github/payloads.ts";
import type { CheckRun, Commit, Nature, Person, Pull, Repository, Truth } from "./github/truth.ts";

type Act = (repository: Repository) => void;

/** What people did that may have made a run: for each commit how many it may have, and what may stand there. */
export class History {
  readonly #runs = new Map<string, number>();
  readonly #subjects = new Map<string, Set<string>>();
  readonly #closed = new Set<string>();
  readonly #approved = new Set<string>();

  /** A branch, pull request or merge group came to this commit. */
  took(repository: number, head: string, subject: string): void {
    this.may(repository, head, 1);
    const key = `${repository} ${head}`;
    const known = this.#subjects.get(key) ?? new Set();
    this.#subjects.set(key, known.add(subject));
  }

  may(repository: number, head: string, more: number): void {
    const key = `${repository} ${head}`;
    this.#runs.set(key, (this.#runs.get(key) ?? 0) + more);
  }

  runs(repository: number, head: string): number {
    return this.#runs.get(`${repository} ${head}`) ?? 0;
  }

  subjects(repository: number, head: string): ReadonlySet<string> {
    return this.#subjects.get(`${repository} ${head}`) ?? new Set();
  }

  /** A pull request or merge group was closed: runs of what it ever stood on may have been ended. */
  ended(repository: number, subject: string): void {
    for (const [key, subjects] of this.#subjects)
      if (key.startsWith(`${repository} `) && subjects.has(subject)) this.#closed.add(key);
  }

  wasEnded(repository: number, head: string): boolean {
    return this.#closed.has(`${repository} ${head}`);
  }

  approve(repository: number, pull: number, head: string): void {
    this.#approved.add(`${repository} ${pull} ${head}`);
    this.may(repository, head, 1);
  }

  approved(repository: number, pull: number, head: string): boolean {
    return this.#approved.has(`${repository} ${pull} ${head}`);
  }
}

/** People at work: they push, propose, close, merge, ask again; each time GitHub tells of it. */
export class People {
  readonly history = new History();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #truth: Truth;
  readonly #hooks: Hooks;
  readonly #payloads: Payloads;
  #comment = 1_000;
  #named = 0;
  readonly #moves = new Map<string, number[]>();
  readonly #acts: [number, Act][];

  constructor(clock: Clock, random: Random, truth: Truth, hooks: Hooks, payloads: Payloads) {
    this.#clock = clock;
    this.#random = random;
    this.#truth = truth;
    this.#hooks = hooks;
    this.#payloads = payloads;
    this.#acts = [
      [22, (r) => this.#pushNew(r)],
      [6, (r) => this.#burst(r)],
      [6, (r) => this.#pushBack(r)],
      [8, (r) => this.#branch(r)],
      [4, (r) => this.#deleteBranch(r)],
      [3, (r) => this.#tag(r)],
      [14, (r) => this.#open(r)],
      [6, (r) => this.#fork(r)],
      [6, (r) => this.#pushFork(r)],
      [6, (r) => this.#approve(r)],
      [4, (r) => this.#close(r)],
      [3, (r) => this.#reopen(r)],
      [6, (r) => this.#merge(r)],
      [3, (r) => this.#retarget(r)],
      [5, (r) => this.#rerun(r)],
      [2, (r) => this.#rerunAll(r)],
      [4, (r) => this.#queue(r)],
      [4, (r) => this.#draft(r)],
      [8, (r) => this.#talk(r)],
      [1, (r) => this.#rename(r)],
    ];
  }

  found(id: number): void {
    const now = this.#clock.now;
    const first = this.#truth.commit("good", []);
    this.#truth.repositories.push({
      id,
      name: `r${id}`,
      formerly: [],
      owner: this.#truth.owner,
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
    this.#hooks.emit("installation", this.#payloads.installed(this.#truth.people[0] as Person));
    for (const repository of this.#truth.repositories) this.#pushTo(repository, "main");
  }

  act(): void {
    const repository = this.#random.pick(this.#truth.repositories);
    const all = this.#acts.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.#random.unit() * all;
    for (const [weight, act] of this.#acts) {
      left -= weight;
      if (left < 0) return act(repository);
    }
  }

  /** GitHub tells an App of its own checks too. */
  checked(check: CheckRun, action: "created" | "completed"): void {
    const repository = this.#truth.repository(check.repository);
    const bot = { id: 99, login: "snowcat[bot]", role: "write", type: "User" } as const;
    this.#hooks.emit("check_run", this.#payloads.check(repository, bot, check, action));
    if (action === "completed" && check.name === "snowcat")
      this.#hooks.emit(
        "check_suite",
        this.#payloads.suite(repository, bot, check.head, "completed"),
      );
  }

  #nature(): Nature {
    const dice = this.#random.unit();
    return dice < 0.7 ? "good" : dice < 0.88 ? "broken" : "unevaluable";
  }

  #writer(): Person {
    return this.#random.pick(this.#truth.writers);
  }

  #newCommit(parent: string): Commit {
    const before = this.#truth.find(parent);
    // Amended: another commit of the same tree.
    if (this.#random.chance(0.1))
      return this.#truth.commit(before.nature, before.parents, { tree: before.tree });
    return this.#truth.commit(this.#nature(), [parent], { conflicts: this.#random.chance(0.06) });
  }

  /** Moves a branch as a push does: the push, and `synchronize` where pull requests have it as their head. */
  #move(repository: Repository, branch: string, to: string | null, by: Person): void {
    const before = repository.branches.get(branch) ?? null;
    if (before === to || this.#twiceThisSecond(`${repository.id} ${branch}`)) return;
    repository.pushedAt = this.#clock.now;
    repository.updatedAt = this.#clock.now;
    if (to === null) repository.branches.delete(branch);
    else {
      repository.branches.set(branch, to);
      this.history.took(repository.id, to, `push:${branch}`);
    }
    this.#hooks.emit(
      "push",
      this.#payloads.push(repository, by, { ref: `refs/heads/${branch}`, before, after: to }),
    );
    for (const pull of repository.pulls.values()) {
      if (!pull.open || pull.fork || pull.headRef !== branch) continue;
      if (to === null) this.#end(repository, pull, by, false);
      else this.#synchronize(repository, pull, to, by);
    }
  }

  /**
   * GitHub tells seconds, and no order: of two pushes within one, each says what it replaced; of three, the first and the
   * last have nothing in common (docs/answers.md).
   */
  #twiceThisSecond(branch: string): boolean {
    const second = Math.floor(this.#clock.now / 1_000);
    const moves = (this.#moves.get(branch) ?? []).filter((at) => at === second);
    this.#moves.set(branch, [...moves, second]);
    return moves.length >= 2;
  }

  /** Whether anything happened to it within this second. */
  #justTouched(pull: Pull): boolean {
    return Math.floor(pull.updatedAt / 1_000) === Math.floor(this.#clock.now / 1_000);
  }

  #synchronize(repository: Repository, pull: Pull, head: string, by: Person): void {
    const before = pull.head;
    pull.head = head;
    this.#touch(pull);
    this.history.took(repository.id, head, `pull:${pull.number}`);
    this.#emitPull(repository, by, pull, "synchronize", { before });
  }

  #touch(pull: Pull): void {
    pull.updatedAt = this.#clock.now;
    pull.pending = this.#random.below(4);
  }

  #emitPull(
    repository: Repository,
    by: Person,
    pull: Pull,
    action: string,
    more?: { before?: string; changes?: object },
  ): void {
    this.#hooks.emit("pull_request", this.#payloads.pull(repository, by, pull, action, more));
  }

  #pushTo(repository: Repository, branch: string): void {
    const parent = repository.branches.get(branch);
    if (parent !== undefined)
      this.#move(repository, branch, this.#newCommit(parent).sha, this.#writer());
  }

  #someBranch(repository: Repository): string {
    return this.#random.pick([...repository.branches.keys()]);
  }

  #pushNew(repository: Repository): void {
    this.#pushTo(repository, this.#someBranch(repository));
  }

  /** Several pushes of one branch within a second or so. */
  #burst(repository: Repository): void {
    const branch = this.#someBranch(repository);
    for (let i = 0; i < 2; i += 1)
      this.#clock.after(i * this.#random.below(1_500), () => this.#pushTo(repository, branch));
  }

  /** A force push to what a branch was before. */
  #pushBack(repository: Repository): void {
    const branch = this.#someBranch(repository);
    const head = repository.branches.get(branch);
    const older = head && this.#truth.find(head).parents[0];
    if (older) this.#move(repository, branch, older, this.#writer());
  }

  #branch(repository: Repository): void {
    if (repository.branches.size > 6) return this.#deleteBranch(repository);
    this.#named += 1;
    const from = repository.branches.get(this.#someBranch(repository));
    if (from === undefined) return;
    // Now and then a name that was there before.
    const name = this.#random.chance(0.2) ? "again" : `topic-${this.#named}`;
    const to = this.#random.chance(0.3) ? from : this.#newCommit(from).sha;
    this.#move(repository, name, to, this.#writer());
  }

  #deleteBranch(repository: Repository): void {
    const branch = this.#someBranch(repository);
    if (branch === repository.defaultBranch) return;
    this.#move(repository, branch, null, this.#writer());
  }

  #tag(repository: Repository): void {
    const head = repository.branches.get(repository.defaultBranch) ?? null;
    this.#named += 1;
    this.#hooks.emit(
      "push",
      this.#payloads.push(repository, this.#writer(), {
        ref: `refs/tags/v${this.#named}`,
        before: null,
        after: head,
      }),
    );
  }

  #propose(
    repository: Repository,
    by: Person,
    pull: Pick<Pull, "head" | "headRef" | "fork">,
  ): void {
    const number = repository.nextNumber;
    repository.nextNumber += 1;
    const opened: Pull = {
      ...pull,
      number,
      open: true,
      merged: false,
      draft: this.#random.chance(0.2),
      baseRef: repository.defaultBranch,
      author: by,
      updatedAt: this.#clock.now,
      pending: this.#random.below(4),
    };
    repository.pulls.set(number, opened);
    this.history.took(repository.id, pull.head, `pull:${number}`);
    this.#emitPull(repository, by, opened, "opened");
  }

  #open(repository: Repository): void {
    const branch = this.#someBranch(repository);
    const head = repository.branches.get(branch);
    const taken = [...repository.pulls.values()].some(
      (pull) => pull.open && !pull.fork && pull.headRef === branch,
    );
    if (branch === repository.defaultBranch || taken || head === undefined) return;
    if (head === repository.branches.get(repository.defaultBranch)) return;
    this.#propose(repository, this.#writer(), { head, headRef: branch, fork: false });
  }

  #fork(repository: Repository): void {
    const base = this.#truth.base(repository, repository.defaultBranch);
    const head = this.#truth.commit(this.#nature(), [base]).sha;
    this.#propose(repository, this.#truth.stranger, { head, headRef: "main", fork: true });
  }

  #somePull(repository: Repository, which: (pull: Pull) => boolean): Pull | null {
    const found = [...repository.pulls.values()].filter(
      (pull) => which(pull) && !this.#justTouched(pull),
    );
    return found.length === 0 ? null : this.#random.pick(found);
  }

  #pushFork(repository: Repository): void {
    const pull = this.#somePull(repository, ({ open, fork }) => open && fork);
    if (pull === null) return;
    const head = this.#truth.commit(this.#nature(), [pull.head]).sha;
    this.#synchronize(repository, pull, head, this.#truth.stranger);
  }

  #approve(repository: Repository): void {
    const pull = this.#somePull(repository, ({ open, fork }) => open && fork);
    if (pull === null) return;
    const stranger = this.#random.chance(0.2);
    const by = stranger ? this.#truth.stranger : this.#writer();
    if (!stranger) this.history.approve(repository.id, pull.number, pull.head);
    this.#say(repository, by, pull, `/ok-to-test ${pull.head}`);
  }

  #say(repository: Repository, by: Person, pull: Pull, body: string): void {
    this.#comment += 1;
    this.#hooks.emit(
      "issue_comment",
      this.#payloads.comment(repository, by, pull.number, { id: this.#comment, body }),
    );
  }

  #talk(repository: Repository): void {
    const pull = this.#somePull(repository, () => true);
    if (pull !== null)
      this.#say(repository, this.#random.pick(this.#truth.people), pull, "Looks good to me.");
  }

  #end(repository: Repository, pull: Pull, by: Person, merged: boolean): void {
    pull.open = false;
    pull.merged = merged;
    pull.updatedAt = this.#clock.now;
    this.history.ended(repository.id, `pull:${pull.number}`);
    this.#emitPull(repository, by, pull, "closed");
  }

  #close(repository: Repository): void {
    const pull = this.#somePull(repository, ({ open }) => open);
    if (pull !== null) this.#end(repository, pull, this.#writer(), false);
  }

  #reopen(repository: Repository): void {
    const pull = this.#somePull(
      repository,
      ({ open, merged, fork, head, headRef }) =>
        !open && !merged && (fork || repository.branches.get(headRef) === head),
    );
    if (pull === null) return;
    const taken = [...repository.pulls.values()].some(
      ({ open, fork, headRef }) => open && !fork && headRef === pull.headRef,
    );
    if (taken && !pull.fork) return;
    pull.open = true;
    this.#touch(pull);
    this.history.took(repository.id, pull.head, `pull:${pull.number}`);
    this.#emitPull(repository, this.#writer(), pull, "reopened");
  }

  #merge(repository: Repository): void {
    const pull = this.#somePull(
      repository,
      ({ open, head }) => open && !this.#truth.find(head).conflicts,
    );
    if (pull === null || !repository.branches.has(pull.baseRef)) return;
    const by = this.#writer();
    const { nature } = this.#truth.find(pull.head);
    const base = this.#truth.base(repository, pull.baseRef);
    const merged = this.#truth.commit(nature, [base, pull.head]);
    this.#end(repository, pull, by, true);
    this.#move(repository, pull.baseRef, merged.sha, by);
    if (!pull.fork && this.#random.chance(0.5)) this.#move(repository, pull.headRef, null, by);
  }

  #retarget(repository: Repository): void {
    const pull = this.#somePull(repository, ({ open }) => open);
    const baseRef = this.#someBranch(repository);
    if (pull === null || pull.baseRef === baseRef || pull.headRef === baseRef) return;
    const from = pull.baseRef;
    pull.baseRef = baseRef;
    this.#touch(pull);
    this.history.may(repository.id, pull.head, 1);
    this.#emitPull(repository, this.#writer(), pull, "edited", {
      changes: { base: { ref: { from } } },
    });
  }

  #rerun(repository: Repository): void {
    const checks = this.#truth.checks.filter(
      ({ repository: of, status }) => of === repository.id && status === "completed",
    );
    const check = checks.at(-1 - this.#random.below(Math.min(30, checks.length || 1)));
    if (check === undefined) return;
    this.history.may(repository.id, check.head, 1);
    this.#hooks.emit(
      "check_run",
      this.#payloads.check(repository, this.#writer(), check, "rerequested"),
    );
  }

  #rerunAll(repository: Repository): void {
    const head = repository.branches.get(this.#someBranch(repository));
    if (head === undefined) return;
    this.history.may(repository.id, head, this.history.subjects(repository.id, head).size);
    this.#hooks.emit(
      "check_suite",
      this.#payloads.suite(repository, this.#writer(), head, "rerequested"),
    );
  }

  /** Into the merge queue, and out of it after a while. */
  #queue(repository: Repository): void {
    const base = this.#truth.base(repository, repository.defaultBranch);
    const pull = this.#somePull(repository, ({ open, fork }) => open && !fork);
    if (pull === null) return;
    const { nature } = this.#truth.find(pull.head);
    const head = this.#truth.commit(nature, [base, pull.head]).sha;
    const ref = `gh-readonly-queue/${repository.defaultBranch}/pr-${pull.number}-${head.slice(0, 8)}`;
    const by = this.#writer();
    const group = { head, base, open: true };
    repository.groups.set(ref, group);
    this.history.took(repository.id, head, `queue:${ref}`);
    const change = { ref: `refs/heads/${ref}`, before: null, after: head };
    this.#hooks.emit("push", this.#payloads.push(repository, by, change));
    const about = { ref, head, base };
    this.#hooks.emit(
      "merge_group",
      this.#payloads.mergeGroup(repository, by, "checks_requested", about),
    );
    if (this.#random.chance(0.5)) return;
    this.#clock.after(30_000 + this.#random.pause(120_000), () => {
      group.open = false;
      this.history.ended(repository.id, `queue:${ref}`);
      this.#hooks.emit(
        "merge_group",
        this.#payloads.mergeGroup(repository, by, "destroyed", about),
      );
    });
  }

  #draft(repository: Repository): void {
    const pull = this.#somePull(repository, ({ open }) => open);
    if (pull === null) return;
    pull.draft = !pull.draft;
    pull.updatedAt = this.#clock.now;
    this.#emitPull(
      repository,
      this.#writer(),
      pull,
      pull.draft ? "converted_to_draft" : "ready_for_review",
    );
  }

  #rename(repository: Repository): void {
    this.#named += 1;
    const from = repository.name;
    repository.formerly.push(from);
    repository.name = `r${repository.id}-${this.#named.toString(16)}`;
    repository.updatedAt = this.#clock.now;
    this.#hooks.emit(
      "repository",
      this.#payloads.repositoryEvent(repository, this.#writer(), "renamed", {
        repository: { name: { from } },
      }),
    );
  }
}
