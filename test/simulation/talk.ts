import type { CheckRun, Person, Pull, Repository } from "./github/truth.ts";
import { Hands } from "./hands.ts";

/** What people say on pull requests, and press on checks. */
export class Talk extends Hands {
  somePull(repository: Repository, which: (pull: Pull) => boolean): Pull | null {
    const found = [...repository.pulls.values()].filter(
      (pull) => which(pull) && !this.justTouched(pull),
    );
    return found.length === 0 ? null : this.random.pick(found);
  }

  say(repository: Repository, by: Person, pull: Pull, body: string): void {
    this.comment += 1;
    const id = this.comment;
    this.history.said.push({ repository: repository.id, pull: pull.number, id, body });
    this.hooks.emit(
      "issue_comment",
      this.payloads.comment(repository, by, pull.number, { id, body }),
    );
  }

  talk(repository: Repository): void {
    const pull = this.somePull(repository, () => true);
    if (pull !== null)
      this.say(repository, this.random.pick(this.truth.people), pull, "Looks good to me.");
  }

  approve(repository: Repository): void {
    const pull = this.somePull(repository, ({ open, fork }) => open && fork);
    if (pull === null) return;
    const stranger = this.random.chance(0.2);
    const by = stranger ? this.truth.stranger : this.writer();
    if (!stranger) this.history.approve(repository.id, pull.number, pull.head);
    this.say(repository, by, pull, `/ok-to-test ${pull.head}`);
  }

  /** The same by the button of the check that asks for it. */
  allow(repository: Repository): void {
    const pull = this.somePull(repository, ({ open, fork }) => open && fork);
    const check = pull && this.overall(repository, pull.head);
    if (!pull || !check || check.output.title !== "Needs approval") return;
    this.history.approve(repository.id, pull.number, pull.head);
    this.press(repository, check, "ok-to-test");
  }

  /** By those who may and those who may not, with the commit and without, one or several, and what is no command. */
  command(repository: Repository): void {
    const pull = this.somePull(repository, ({ open }) => open);
    if (pull === null) return;
    const { head } = pull;
    const body = this.random.pick([
      `/retry all ${head}`,
      `/retry ${head}`,
      `/build ${head}`,
      `/retry all ${head}\n/status`,
      "/retry",
      "/status",
      "/retri all",
    ]);
    // Each of them starts one at most.
    this.history.may(repository.id, head, /^\/(?:retry|build)/u.test(body) ? 1 : 0);
    this.say(repository, this.random.pick(this.truth.people), pull, body);
  }

  pressRetry(repository: Repository): void {
    const pull = this.somePull(repository, ({ open }) => open);
    const check = pull && this.overall(repository, pull.head);
    if (!pull || !check || check.conclusion !== "failure") return;
    // Good once, however often it is pressed.
    if (this.history.presses(check.id) === 0) this.history.may(repository.id, check.head, 1);
    const times = this.random.chance(0.3) ? 2 : 1;
    for (let n = 0; n < times; n += 1) this.press(repository, check, "retry");
  }

  cancel(repository: Repository): void {
    const pull = this.somePull(repository, ({ open }) => open);
    if (pull === null) return;
    this.history.cancel(repository.id, pull.head);
    this.say(repository, this.writer(), pull, "/cancel");
  }

  overall(repository: Repository, head: string): CheckRun | undefined {
    return this.truth.checks.findLast(
      (check) =>
        check.repository === repository.id &&
        check.head === head &&
        check.name === "snowcat" &&
        check.status === "completed",
    );
  }

  press(repository: Repository, check: CheckRun, identifier: string): void {
    this.history.press(check.id);
    this.hooks.emit(
      "check_run",
      this.payloads.check(repository, this.writer(), check, "requested_action", identifier),
    );
  }
}
