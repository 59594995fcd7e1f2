import type { Repository } from "./github/truth.ts";
import { Talk } from "./talk.ts";

type Act = (repository: Repository) => void;

/** People at work: they push, propose, close, merge, ask again; each time GitHub tells of it. */
export class People extends Talk {
  readonly acts: [number, Act][] = [
    [22, (r) => this.pushNew(r)],
    [6, (r) => this.burst(r)],
    [6, (r) => this.pushBack(r)],
    [8, (r) => this.branch(r)],
    [4, (r) => this.deleteBranch(r)],
    [3, (r) => this.tag(r)],
    [14, (r) => this.open(r)],
    [6, (r) => this.fork(r)],
    [6, (r) => this.pushFork(r)],
    [6, (r) => this.approve(r)],
    [3, (r) => this.allow(r)],
    [5, (r) => this.command(r)],
    [2, (r) => this.pressRetry(r)],
    [1, (r) => this.cancel(r)],
    [4, (r) => this.close(r)],
    [3, (r) => this.reopen(r)],
    [6, (r) => this.merge(r)],
    [3, (r) => this.retarget(r)],
    [5, (r) => this.rerun(r)],
    [2, (r) => this.rerunAll(r)],
    [4, (r) => this.queue(r)],
    [4, (r) => this.draft(r)],
    [8, (r) => this.talk(r)],
    [1, (r) => this.rename(r)],
  ];

  act(): void {
    const repository = this.random.pick(this.truth.repositories);
    const all = this.acts.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.random.unit() * all;
    for (const [weight, act] of this.acts) {
      left -= weight;
      if (left < 0) return act(repository);
    }
  }

  fork(repository: Repository): void {
    const base = this.truth.base(repository, repository.defaultBranch);
    const head = this.truth.commit(this.nature(), [base]).sha;
    this.propose(repository, this.truth.stranger, { head, headRef: "main", fork: true });
  }

  pushFork(repository: Repository): void {
    const pull = this.somePull(repository, ({ open, fork }) => open && fork);
    if (pull === null) return;
    const head = this.truth.commit(this.nature(), [pull.head]).sha;
    this.synchronize(repository, pull, head, this.truth.stranger);
  }

  close(repository: Repository): void {
    const pull = this.somePull(repository, ({ open }) => open);
    if (pull !== null) this.end(repository, pull, this.writer(), false);
  }

  reopen(repository: Repository): void {
    const pull = this.somePull(
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
    pull.closedAt = null;
    this.touch(pull);
    this.history.took(repository.id, pull.head, `pull:${pull.number}`);
    this.emitPull(repository, this.writer(), pull, "reopened");
  }

  merge(repository: Repository): void {
    const pull = this.somePull(
      repository,
      ({ open, head }) => open && !this.truth.find(head).conflicts,
    );
    if (pull === null || !repository.branches.has(pull.baseRef)) return;
    const by = this.writer();
    const { nature } = this.truth.find(pull.head);
    const base = this.truth.base(repository, pull.baseRef);
    const merged = this.truth.commit(nature, [base, pull.head]);
    this.end(repository, pull, by, true);
    this.move(repository, pull.baseRef, merged.sha, by);
    if (!pull.fork && this.random.chance(0.5)) this.move(repository, pull.headRef, null, by);
  }

  retarget(repository: Repository): void {
    const pull = this.somePull(repository, ({ open }) => open);
    const baseRef = this.someBranch(repository);
    if (pull === null || pull.baseRef === baseRef || pull.headRef === baseRef) return;
    const from = pull.baseRef;
    pull.baseRef = baseRef;
    this.touch(pull);
    this.history.may(repository.id, pull.head, 1);
    this.emitPull(repository, this.writer(), pull, "edited", {
      changes: { base: { ref: { from } } },
    });
  }

  rerun(repository: Repository): void {
    const checks = this.truth.checks.filter(
      ({ repository: of, status }) => of === repository.id && status === "completed",
    );
    const check = checks.at(-1 - this.random.below(Math.min(30, checks.length || 1)));
    if (check === undefined) return;
    this.history.may(repository.id, check.head, 1);
    this.hooks.emit(
      "check_run",
      this.payloads.check(repository, this.writer(), check, "rerequested"),
    );
  }

  rerunAll(repository: Repository): void {
    const head = repository.branches.get(this.someBranch(repository));
    if (head === undefined) return;
    this.history.again(repository.id, head);
    this.hooks.emit(
      "check_suite",
      this.payloads.suite(repository, this.writer(), head, "rerequested"),
    );
  }

  /** Into the merge queue, and out of it after a while. */
  queue(repository: Repository): void {
    const base = this.truth.base(repository, repository.defaultBranch);
    const pull = this.somePull(repository, ({ open, fork }) => open && !fork);
    if (pull === null) return;
    const { nature } = this.truth.find(pull.head);
    const head = this.truth.commit(nature, [base, pull.head]).sha;
    const ref = `gh-readonly-queue/${repository.defaultBranch}/pr-${pull.number}-${head.slice(0, 8)}`;
    const by = this.writer();
    const group = { head, base, open: true };
    repository.groups.set(ref, group);
    this.history.took(repository.id, head, `queue:${ref}`);
    const change = { ref: `refs/heads/${ref}`, before: null, after: head };
    this.hooks.emit("push", this.payloads.push(repository, by, change));
    const about = { ref, head, base };
    this.hooks.emit(
      "merge_group",
      this.payloads.mergeGroup(repository, by, "checks_requested", about),
    );
    if (this.random.chance(0.5)) return;
    this.clock.after(30_000 + this.random.pause(120_000), () => {
      group.open = false;
      this.history.ended(repository.id, `queue:${ref}`);
      this.hooks.emit("merge_group", this.payloads.mergeGroup(repository, by, "destroyed", about));
    });
  }

  draft(repository: Repository): void {
    const pull = this.somePull(repository, ({ open }) => open);
    if (pull === null) return;
    pull.draft = !pull.draft;
    pull.updatedAt = this.clock.now;
    this.emitPull(
      repository,
      this.writer(),
      pull,
      pull.draft ? "converted_to_draft" : "ready_for_review",
    );
  }

  rename(repository: Repository): void {
    this.named += 1;
    const from = repository.name;
    repository.formerly.push(from);
    repository.name = `r${repository.id}-${this.named.toString(16)}`;
    repository.updatedAt = this.clock.now;
    this.hooks.emit(
      "repository",
      this.payloads.repositoryEvent(repository, this.writer(), "renamed", {
        repository: { name: { from } },
      }),
    );
  }
}
