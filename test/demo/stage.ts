import type { Account, CheckRun, GitHub, PullRequest, Repository } from "../github/index.ts";
import type { Stack } from "../support/stack.ts";
import { expect, type SeenCheck } from "./scenario.ts";
import type { Tree } from "./scenarios/flakes.ts";

/**
 * A verdict of Snowcat arrives within this long (ms), or the scenario fails. Generous: two cores may be busy. Shorter than
 * the limit of an end-to-end test, so that what is said is what was there, and not that time was up.
 */
const PATIENCE = 120_000;
const LOOK_EVERY = 50;

/** Where scenarios are played: one real Worker, one agent, and the double of GitHub. */
export class Stage {
  readonly stack: Stack;

  constructor(stack: Stack) {
    this.stack = stack;
  }

  get github(): GitHub {
    return this.stack.github;
  }

  /** A repository with a first commit on `main`; `required` protects `main`. */
  async project(
    name: string,
    files: Tree,
    options: { required?: string[]; private?: boolean } = {},
  ): Promise<Project> {
    const owner = this.stack.accounts.owner;
    const repository = await this.github.createRepository({
      owner,
      name,
      files,
      private: options.private ?? false,
    });
    if (options.required !== undefined) {
      const required = options.required.map((context) => ({ context, appId: this.stack.app.id }));
      this.github.protect(repository, "main", required);
    }
    return new Project(this, repository, owner);
  }

  /** How many jobs runners took for the project so far, of one kind or of all. */
  async jobs(project: Project, kind?: "evaluate" | "build"): Promise<number> {
    const jobs = await this.stack.jobs(project.repository.id);
    return jobs.filter((job) => kind === undefined || job.kind === kind).length;
  }

  /** The truth: what Nix says is valid in the runner's store, by evaluating the branch's tree there. */
  async expectBuilt(project: Project, branch: string, attributes: string[]): Promise<void> {
    for (const attribute of attributes) {
      const output = await this.stack.runner.nix.outPath(
        this.github.cloneUrl(project.repository),
        branch,
        attribute,
      );
      expect(
        await this.stack.runner.nix.valid(output),
        `${attribute} of ${branch} is in the runner's store`,
        output,
      );
    }
  }

  /** What a person would look at first when something does not come. */
  async state(): Promise<object> {
    const { worker } = this.stack;
    return {
      runners: await this.stack.runners().catch(String),
      runner: this.stack.lines().slice(-30),
      worker: worker.log.slice(-10),
    };
  }

  /** Waits until a builder with that text in its arguments runs. */
  async untilBuilder(text: string): Promise<void> {
    await eventually(
      async () => (await this.#builders(text)) > 0,
      `a builder of '${text}' runs`,
      () => this.state(),
    );
  }

  async expectNoBuilder(text: string): Promise<void> {
    const gone = async () => (await this.#builders(text)) === 0;
    await eventually(gone, `no builder of '${text}' is left`);
  }

  async #builders(text: string): Promise<number> {
    return (await this.stack.runner.nix.builders()).filter((argv) => argv.includes(text)).length;
  }
}

export class Project {
  readonly stage: Stage;
  readonly repository: Repository;
  readonly account: Account;

  constructor(stage: Stage, repository: Repository, account: Account) {
    this.stage = stage;
    this.repository = repository;
    this.account = account;
  }

  get #github(): GitHub {
    return this.stage.github;
  }

  /** Commits the files on top of the branch (made from `main` when it is new) and pushes. */
  async push(branch: string, files: Tree): Promise<string> {
    return this.#github.commit(this.repository, {
      branch,
      files,
      as: this.account,
      message: `Change ${Object.keys(files).join(", ")}`,
    });
  }

  async pushEmpty(branch: string, message: string): Promise<string> {
    return this.#github.commit(this.repository, { branch, files: {}, as: this.account, message });
  }

  async fastForward(branch: string, sha: string): Promise<void> {
    await this.#github.moveBranch(this.repository, branch, sha, this.account);
  }

  async fork(): Promise<Project> {
    const stranger = this.stage.stack.accounts.stranger;
    return new Project(this.stage, await this.#github.fork(this.repository, stranger), stranger);
  }

  async openPull(branch: string, title: string, from: Project = this): Promise<Pull> {
    const head = from === this ? branch : `${from.account.login}:${branch}`;
    const pull = await this.#github.openPullRequest(from.account, this.repository, { title, head });
    return new Pull(this, pull);
  }

  checkRuns(sha: string): CheckRun[] {
    return this.#github.checkRuns(this.repository, sha);
  }

  /** The newest check run of each name. */
  checks(sha: string): Checks {
    return new Checks(this.checkRuns(sha));
  }

  /**
   * Waits until the overall check of a commit is completed; `moreThan` asks for check runs beyond that many, `patience`
   * (ms) is for what takes long by itself.
   */
  async judged(
    sha: string,
    options: { moreThan?: number; patience?: number } = {},
  ): Promise<Checks> {
    const done = () => {
      const runs = this.checkRuns(sha);
      return runs.length > (options.moreThan ?? 0) && new Checks(runs).complete();
    };
    await eventually(
      done,
      `the checks of ${this.repository.name} ${sha.slice(0, 7)} are completed`,
      async () => ({ checks: this.checks(sha).seen(), ...(await this.stage.state()) }),
      options.patience,
    );
    return this.checks(sha);
  }

  async rerequest(sha: string, name: string): Promise<void> {
    const run = this.checkRuns(sha).findLast((one) => one.name === name);
    expect(run !== undefined, `there is a check '${name}' to ask for again`);
    this.#github.rerequest(this.account, run);
  }
}

export class Pull {
  readonly project: Project;
  readonly pull: PullRequest;

  constructor(project: Project, pull: PullRequest) {
    this.project = project;
    this.pull = pull;
  }

  /** Presses "merge" as the owner, through the API: branch protection decides. */
  async merge(): Promise<{ merged: boolean; status: number }> {
    const { stack } = this.project.stage;
    const { name } = this.project.repository;
    const response = await fetch(
      `${stack.github.url}/repos/${stack.accounts.owner.login}/${name}/pulls/${this.pull.number}/merge`,
      {
        method: "PUT",
        headers: {
          authorization: `Bearer ${stack.tokens.write}`,
          "content-type": "application/json",
        },
        body: "{}",
      },
    );
    await response.arrayBuffer();
    return { merged: response.status === 200, status: response.status };
  }
}

/** Check runs of one commit, by name; a later one of the same name stands for the earlier. */
export class Checks {
  readonly #runs = new Map<string, CheckRun>();

  constructor(runs: readonly CheckRun[]) {
    for (const run of runs) this.#runs.set(run.name, run);
  }

  get(name: string): string | null {
    return this.#runs.get(name)?.conclusion ?? null;
  }

  status(name: string): string | null {
    return this.#runs.get(name)?.status ?? null;
  }

  title(name: string): string {
    return this.#runs.get(name)?.output.title ?? "";
  }

  text(name: string): string {
    const output = this.#runs.get(name)?.output;
    return [output?.title, output?.summary, output?.text].filter(Boolean).join("\n");
  }

  complete(): boolean {
    return (
      this.#runs.has("snowcat") &&
      [...this.#runs.values()].every((run) => run.status === "completed")
    );
  }

  async annotations(): Promise<{ path: string; start_line: number }[]> {
    return [...this.#runs.values()].flatMap(
      (run) => run.annotations as { path: string; start_line: number }[],
    );
  }

  /** The aggregates first, then causes in the order they came. */
  seen(): SeenCheck[] {
    const first = ["snowcat", "snowcat / evaluation", "snowcat / build"];
    const rank = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length);
    return [...this.#runs.values()]
      .toSorted((a, b) => rank(a.name) - rank(b.name))
      .map(({ name, conclusion, output }) => ({
        name,
        conclusion,
        ...(output.title ? { title: output.title } : {}),
      }));
  }
}

/** Looks until it holds or patience ends; then the error says what was there instead. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string,
  found?: () => unknown,
  patience = PATIENCE,
): Promise<void> {
  const until = Date.now() + patience;
  while (!(await holds())) {
    if (Date.now() > until) expect(false, `within ${patience / 1_000} s: ${what}`, await found?.());
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
}
