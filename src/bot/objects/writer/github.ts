import type { Octokit } from "@octokit/rest";
import { learn } from "../../../core/writer/index.ts";
import type { Environment } from "../../environment.ts";
import {
  client,
  type Failure,
  failure,
  limits,
  type Made,
  mint,
  type Only,
  type Token,
  within,
} from "../../github/client/index.ts";
import { appToken } from "../../github/key.ts";
import type { AskedApp } from "../contracts.ts";
import type { Effects } from "./effects.ts";

/** A token is replaced this long before it expires (ms). */
const MARGIN = 5 * 60_000;

export type Answered<T> = { ok: true; value: T } | { ok: false; failure: Failure };

/** The installation's way to GitHub: its token, kept in memory and rows, and what every answer says about limits. */
export class GitHub {
  readonly #env: Environment;
  readonly #effects: Effects;
  readonly #now: () => number;
  readonly #installation: number;
  readonly #made: (request: Made) => void;
  #token: Token | null = null;
  #minting: Promise<Token> | null = null;

  constructor(
    env: Environment,
    effects: Effects,
    now: () => number,
    installation: number,
    made: (request: Made) => void,
  ) {
    this.#env = env;
    this.#effects = effects;
    this.#now = now;
    this.#installation = installation;
    this.#made = made;
  }

  get app(): number {
    return Number(this.#env.GITHUB_APP_ID);
  }

  /**
   * One request (or a few that belong together) with the installation's token; once more with a new one after a 401.
   *
   * @param repository the id of the one that they are about, if any
   */
  async ask<T>(
    repository: number | null,
    request: (octokit: Octokit) => Promise<T>,
  ): Promise<Answered<T>> {
    for (let again = true; ; again = false) {
      try {
        const { token } = await this.#installationToken();
        return { ok: true, value: await request(within(this.#client(token), repository)) };
      } catch (error) {
        const failed = failure(error, this.#now());
        if (failed.kind === "unauthorized" && again) {
          this.#token = null;
          this.#effects.saveToken(null);
          continue;
        }
        if (failed.kind === "limited") this.learn(failed.news);
        return { ok: false, failure: failed };
      }
    }
  }

  /** Speaks for the App itself. */
  async asApp<T>(request: (octokit: Octokit) => Promise<T>): Promise<T> {
    const token = await appToken(
      { id: this.#env.GITHUB_APP_ID, pem: this.#env.GITHUB_APP_PRIVATE_KEY },
      this.#now(),
    );
    return request(within(this.#client(token), null));
  }

  /** Speaks for the App itself, whose limits are not the installation's. */
  async askAsApp<T>(request: (octokit: Octokit) => Promise<T>): Promise<AskedApp<T>> {
    const now = this.#now();
    try {
      return { ok: true, value: await this.asApp(request) };
    } catch (error) {
      const failed = failure(error, now);
      switch (failed.kind) {
        case "limited":
          return {
            ok: false,
            kind: "limited",
            retryAfter: Math.max(1_000, (failed.news.retryAt ?? failed.news.resetAt ?? 0) - now),
            reason: failed.reason,
          };
        case "missing":
          return { ok: false, kind: "refused", reason: "404: it is not there (any more)" };
        case "refused":
          return { ok: false, kind: "refused", reason: `${failed.status}: ${failed.reason}` };
        case "unauthorized":
          return {
            ok: false,
            kind: "unknown",
            reason:
              "401: GitHub does not take the App's key: check GITHUB_APP_ID and the private key",
          };
        case "unknown":
          return { ok: false, kind: "unknown", reason: failed.reason };
      }
    }
  }

  mintFor(only: Only): Promise<Token> {
    return this.asApp((octokit) => mint(octokit, this.#installation, only));
  }

  /** When reads may go out again; now or earlier is at once. */
  get pausedUntil(): number {
    return this.#effects.gate(this.#now()).pausedUntil;
  }

  learn(news: Parameters<typeof learn>[1]): void {
    this.#effects.saveGate(learn(this.#effects.gate(this.#now()), news));
  }

  learnHeaders(headers: Readonly<Record<string, string | number | undefined>>): void {
    this.learn(limits(headers));
  }

  #client(token: string): Octokit {
    return client({ apiUrl: this.#env.GITHUB_API_URL, token, now: this.#now, made: this.#made });
  }

  async #installationToken(): Promise<Token> {
    this.#token ??= this.#effects.token();
    if (this.#token !== null && this.#token.expiresAt - MARGIN > this.#now()) return this.#token;
    // Requests that start together wait for one token.
    this.#minting ??= this.asApp((octokit) => mint(octokit, this.#installation, null)).finally(
      () => {
        this.#minting = null;
      },
    );
    this.#token = await this.#minting;
    this.#effects.saveToken(this.#token);
    return this.#token;
  }
}
