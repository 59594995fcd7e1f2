import type { Read } from "../contracts.ts";

type Answer = Read<{ private: boolean; owner: string; name: string }>;

/** For how long a repository's visibility is not asked for again (ms). */
const SEEN = 2_000;
/** While too many ask: for how long an answer still does (ms). */
const SEEN_IN_A_CROWD = 60_000;
/** Requests a minute that pages may cost the installation: a quarter of GitHub's 5,000 an hour. */
const A_MINUTE = 20;

/**
 * Pages are for everybody, the installation's requests are not: whoever reloads them must not use up what checks are
 * made with. Above the budget a recent answer stands for longer, and where there is none the page is not shown.
 */
export class Visibility {
  readonly #seen = new Map<number, { at: number; answer: Promise<Answer> }>();
  #asked: number[] = [];

  read(repository: number, now: number, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#seen.get(repository);
    const age = known === undefined ? Number.POSITIVE_INFINITY : now - known.at;
    if (known !== undefined && age < SEEN) return known.answer;
    this.#asked = this.#asked.filter((at) => now - at < 60_000);
    if (this.#asked.length >= A_MINUTE) {
      if (known !== undefined && age < SEEN_IN_A_CROWD) return known.answer;
      const reason = "too many pages were asked for";
      return Promise.resolve({ ok: false, missing: false, retryAfter: SEEN_IN_A_CROWD, reason });
    }
    this.#asked.push(now);
    const answer = ask();
    this.#seen.set(repository, { at: now, answer });
    return answer;
  }
}
