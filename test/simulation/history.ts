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
