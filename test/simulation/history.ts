/** What people did that may have made a run: for each commit how many it may have, and what may stand there. */
export class History {
  readonly #runs = new Map<string, number>();
  readonly #suites = new Map<string, number>();
  readonly #subjects = new Map<string, Set<string>>();
  readonly #closed = new Set<string>();
  readonly #approved = new Set<string>();
  readonly #presses = new Map<number, number>();
  readonly #cancelled = new Set<string>();
  /** Comments, as people wrote them. */
  readonly said: { repository: number; pull: number; id: number; body: string }[] = [];

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

  /** All of it again: for each reason there is when the word comes, which may be later than it was given. */
  again(repository: number, head: string): void {
    const key = `${repository} ${head}`;
    this.#suites.set(key, (this.#suites.get(key) ?? 0) + 1);
  }

  /** How many runs the commit may have had in the end. */
  runs(repository: number, head: string): number {
    const key = `${repository} ${head}`;
    const suites = (this.#suites.get(key) ?? 0) * this.subjects(repository, head).size;
    return (this.#runs.get(key) ?? 0) + suites;
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

  /** Somebody pressed a button of a check. */
  press(check: number): void {
    this.#presses.set(check, this.presses(check) + 1);
  }

  presses(check: number): number {
    return this.#presses.get(check) ?? 0;
  }

  /** What ran for this commit was ended, or is lost: that is the last word, unless somebody asks again. */
  cancel(repository: number, head: string): void {
    this.#cancelled.add(`${repository} ${head}`);
  }

  wasCancelled(repository: number, head: string): boolean {
    return this.#cancelled.has(`${repository} ${head}`);
  }

  approve(repository: number, pull: number, head: string): void {
    this.#approved.add(`${repository} ${pull} ${head}`);
    this.may(repository, head, 1);
  }

  approved(repository: number, pull: number, head: string): boolean {
    return this.#approved.has(`${repository} ${pull} ${head}`);
  }
}
