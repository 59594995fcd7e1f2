import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import type { Hooks } from "./hooks.ts";
import { type CheckRun, hash, type Repository, type Truth } from "./truth.ts";
import {
  type Answer,
  checkBody,
  commentBody,
  contents,
  json,
  NOT_FOUND,
  repositoryBody,
} from "./bodies.ts";
import { iso } from "./payloads.ts";

/** How often a request meets which trouble. */
export type ApiWeather = {
  /** Refused for a limit: 403 (primary, secondary) or 429. */
  limited: number;
  /** 500, 502, 503. */
  failing: number;
  /** Nothing is done and no answer comes: cut, or silence until the client gives up. */
  lostBefore: number;
  /** It is done, and no answer comes. */
  lostAfter: number;
  /** Requests for a list until a new check run is in it, at most. */
  lag: number;
};

type Asked = {
  method: string;
  path: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
};

/**
 * GitHub's API as far as Snowcat uses it, in the world's own process. `double.test.ts` holds it against the strict
 * double, which holds itself against GitHub's description.
 */
export class Api {
  readonly requests = { all: 0, content: 0, mistreated: 0, unexpected: [] as string[] };
  /** What GitHub would not have shown: a completed check run that is open again. */
  readonly reopened: string[] = [];
  readonly reactions: { comment: number; content: string }[] = [];
  readonly comments: { id: number; repository: number; issue: number; body: string }[] = [];
  onCheck: (check: CheckRun, action: "created" | "completed") => void = () => {};
  readonly weather: ApiWeather;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #truth: Truth;
  readonly #hooks: Pick<Hooks, "attempts" | "redeliver">;
  #limitedUntil = 0;

  constructor(
    clock: Clock,
    random: Random,
    truth: Truth,
    hooks: Pick<Hooks, "attempts" | "redeliver">,
    weather: ApiWeather,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#truth = truth;
    this.#hooks = hooks;
    this.weather = weather;
  }

  /** One request, over the network. */
  async ask(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const text = request.method === "GET" ? "" : await request.text();
    const asked: Asked = {
      method: request.method,
      path: url.pathname,
      query: url.searchParams,
      body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
    await this.#clock.wait(2 + this.#random.below(60));
    const { weather } = this;
    const dice = this.#random.unit();
    const minting = asked.path.endsWith("/access_tokens");
    const trouble = weather.lostBefore + weather.limited + weather.failing;
    if (dice < trouble) this.requests.mistreated += 1;
    if (dice < weather.lostBefore) return this.#lose();
    if (
      !minting &&
      (dice < weather.lostBefore + weather.limited || this.#clock.now < this.#limitedUntil)
    )
      return json(this.#limited());
    if (dice < trouble)
      return json({
        status: this.#random.pick([500, 502, 503]),
        body: { message: "Server Error" },
      });
    const answer = this.answer(asked);
    if (this.#random.chance(weather.lostAfter)) {
      this.requests.mistreated += 1;
      return this.#lose();
    }
    await this.#clock.wait(2 + this.#random.below(60));
    return json(answer);
  }

  async #lose(): Promise<never> {
    // Cut at once, or silence for longer than any client waits.
    if (this.#random.chance(0.3)) await this.#clock.wait(60_000);
    throw new TypeError("fetch failed: the connection was lost");
  }

  #limited(): Answer {
    const seconds = 1 + this.#random.below(12);
    if (this.#clock.now >= this.#limitedUntil)
      this.#limitedUntil = this.#clock.now + this.#random.below(seconds * 1_000);
    const kind = this.#random.below(3);
    if (kind === 0)
      return {
        status: 429,
        body: { message: "Too many requests" },
        headers: { "retry-after": String(seconds) },
      };
    if (kind === 1)
      return {
        status: 403,
        body: { message: "You have exceeded a secondary rate limit." },
        headers: { "retry-after": String(seconds) },
      };
    return {
      status: 403,
      body: { message: "API rate limit exceeded for installation." },
      headers: {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": String(Math.ceil(this.#clock.now / 1_000) + seconds),
      },
    };
  }

  /** Carries a request out. */
  answer(asked: Asked): Answer {
    const { method, path } = asked;
    this.requests.all += 1;
    if (path === "/app/hook/deliveries" && method === "GET") return this.#deliveries(asked);
    const attempts = /^\/app\/hook\/deliveries\/(\d+)\/attempts$/u.exec(path);
    if (attempts && method === "POST")
      return this.#hooks.redeliver(Number(attempts[1])) ? { status: 202, body: {} } : NOT_FOUND;
    if (/^\/app\/installations\/\d+\/access_tokens$/u.test(path) && method === "POST")
      return {
        status: 201,
        body: {
          token: `ghs_${hash("token", this.requests.all)}`,
          expires_at: iso(this.#clock.now + 3_600_000),
        },
      };
    const byId = /^\/repositories\/(\d+)(\/.*)?$/u.exec(path);
    const named = /^\/repos\/([^/]+)\/([^/]+)(\/.*)?$/u.exec(path);
    const repository = this.#truth.repositories.find(({ id, owner, name }) =>
      byId ? id === Number(byId[1]) : owner.login === named?.[1] && name === named[2],
    );
    if (repository === undefined) return this.#moved(named, asked) ?? this.#unexpected(asked);
    const rest = (byId ? byId[2] : named?.[3]) ?? "";
    return this.#about(repository, rest, asked) ?? this.#unexpected(asked);
  }

  /** A name that the repository had before leads to its id. */
  #moved(named: RegExpExecArray | null, { method, query }: Asked): Answer | null {
    const found = this.#truth.repositories.find(({ formerly }) =>
      formerly.includes(String(named?.[2])),
    );
    if (found === undefined) return null;
    const search = query.size === 0 ? "" : `?${query.toString()}`;
    return {
      status: method === "GET" ? 301 : 307,
      body: { message: "Moved Permanently" },
      headers: {
        location: `https://api.github.test/repositories/${found.id}${named?.[3] ?? ""}${search}`,
      },
    };
  }

  #unexpected({ method, path }: Asked): Answer {
    this.requests.unexpected.push(`${method} ${path}`);
    return NOT_FOUND;
  }

  #about(repository: Repository, rest: string, asked: Asked): Answer | null {
    const { method } = asked;
    if (rest === "" && method === "GET") return { status: 200, body: repositoryBody(repository) };
    if (rest === "/check-runs" && method === "POST") return this.#create(repository, asked.body);
    const check = /^\/check-runs\/(\d+)$/u.exec(rest);
    if (check) {
      const found = this.#truth.checks[Number(check[1]) - 1];
      if (found?.repository !== repository.id) return NOT_FOUND;
      if (method === "PATCH") this.#update(found, asked.body);
      return { status: 200, body: checkBody(found), headers: this.#quota() };
    }
    const listed = /^\/commits\/([^/]+)\/check-runs$/u.exec(rest);
    if (listed && method === "GET") return this.#list(repository, String(listed[1]), asked.query);
    const pull = /^\/pulls\/(\d+)$/u.exec(rest);
    if (pull && method === "GET") return this.#pull(repository, Number(pull[1]));
    const commit = /^\/git\/commits\/([0-9a-f]{40})$/u.exec(rest);
    if (commit && method === "GET") {
      const found = this.#truth.commits.get(String(commit[1]));
      if (found === undefined) return NOT_FOUND;
      return {
        status: 200,
        body: {
          sha: found.sha,
          tree: { sha: found.tree },
          parents: found.parents.map((sha) => ({ sha })),
        },
      };
    }
    const head = /^\/commits\/([^/]+)$/u.exec(rest);
    if (head && method === "GET") {
      const sha = repository.branches.get(decodeURIComponent(String(head[1])));
      return sha === undefined
        ? { status: 422, body: { message: "No commit found for SHA" } }
        : { status: 200, body: { sha } };
    }
    if (rest.startsWith("/contents/") && method === "GET")
      return contents(this.#truth.commits.get(String(asked.query.get("ref"))));
    const role = /^\/collaborators\/([^/]+)\/permission$/u.exec(rest);
    if (role && method === "GET") {
      const person = this.#truth.people.find(({ login }) => login === role[1]);
      if (person === undefined) return NOT_FOUND;
      return {
        status: 200,
        body: { permission: person.role, role_name: person.role, user: { id: person.id } },
      };
    }
    return this.#talk(repository, rest, asked);
  }

  /** Comments and reactions: each must be made once. */
  #talk(repository: Repository, rest: string, { method, body }: Asked): Answer | null {
    const reacted = /^\/issues\/comments\/(\d+)\/reactions$/u.exec(rest);
    if (reacted && method === "POST") {
      this.requests.content += 1;
      const reaction = { comment: Number(reacted[1]), content: String(body["content"]) };
      // The same reaction by the same account is one: 200 instead of 201.
      const known = this.reactions.some(
        (one) => one.comment === reaction.comment && one.content === reaction.content,
      );
      if (!known) this.reactions.push(reaction);
      return { status: known ? 200 : 201, body: { id: this.reactions.length, ...reaction } };
    }
    const commented = /^\/issues\/(\d+)\/comments$/u.exec(rest);
    if (commented && method === "POST") {
      this.requests.content += 1;
      const comment = {
        id: 900_000 + this.comments.length,
        repository: repository.id,
        issue: Number(commented[1]),
        body: String(body["body"]),
      };
      this.comments.push(comment);
      return { status: 201, body: commentBody(comment) };
    }
    if (commented && method === "GET") {
      const found = this.comments.filter(
        ({ repository: of, issue }) => of === repository.id && issue === Number(commented[1]),
      );
      return { status: 200, body: found.map(commentBody) };
    }
    const one = /^\/issues\/comments\/(\d+)$/u.exec(rest);
    const comment = one && this.comments.find(({ id }) => id === Number(one[1]));
    if (!comment) return null;
    if (method === "PATCH") comment.body = String(body["body"]);
    return { status: 200, body: commentBody(comment) };
  }

  #create(repository: Repository, body: Record<string, unknown>): Answer {
    this.requests.content += 1;
    if (!this.#truth.commits.has(String(body["head_sha"])))
      return { status: 422, body: { message: "No commit found for SHA" } };
    const check: CheckRun = {
      id: this.#truth.checks.length + 1,
      repository: repository.id,
      name: String(body["name"]),
      head: String(body["head_sha"]),
      externalId: "",
      status: "queued",
      conclusion: null,
      annotations: 0,
      output: { title: "", summary: "" },
      hidden: this.#random.below(this.weather.lag + 1),
    };
    this.#truth.checks.push(check);
    this.#update(check, body, true);
    return { status: 201, body: checkBody(check), headers: this.#quota() };
  }

  #update(check: CheckRun, body: Record<string, unknown>, created = false): void {
    const was = check.status;
    if (typeof body["external_id"] === "string") check.externalId = body["external_id"];
    const status = body["status"] ?? (body["conclusion"] === undefined ? undefined : "completed");
    if (status !== undefined) check.status = status as CheckRun["status"];
    if (check.status !== "completed") check.conclusion = null;
    else if (typeof body["conclusion"] === "string") check.conclusion = body["conclusion"];
    if (was === "completed" && check.status !== "completed") this.reopened.push(check.externalId);
    const output = body["output"] as
      | { title: string; summary: string; annotations?: unknown[] }
      | undefined;
    if (output !== undefined) {
      check.output = { title: output.title, summary: output.summary };
      check.annotations += output.annotations?.length ?? 0;
    }
    if (created) this.onCheck(check, "created");
    if (was !== "completed" && check.status === "completed") this.onCheck(check, "completed");
  }

  #list(repository: Repository, head: string, query: URLSearchParams): Answer {
    const name = query.get("check_name");
    const shown = this.#truth.checks.filter((check) => {
      if (check.repository !== repository.id || check.head !== head) return false;
      if (name !== null && check.name !== name) return false;
      check.hidden -= 1;
      return check.hidden < 0;
    });
    return {
      status: 200,
      body: { total_count: shown.length, check_runs: shown.map(checkBody) },
    };
  }

  #pull(repository: Repository, number: number): Answer {
    const pull = repository.pulls.get(number);
    if (pull === undefined) return NOT_FOUND;
    pull.pending -= 1;
    const conflicts = this.#truth.find(pull.head).conflicts;
    const known = pull.open && pull.pending < 0;
    return {
      status: 200,
      body: {
        number,
        state: pull.open ? "open" : "closed",
        mergeable: known ? !conflicts : null,
        merge_commit_sha: known && !conflicts ? this.#truth.merge(repository, pull).sha : null,
        head: {
          sha: pull.head,
          ref: pull.headRef,
          repo: { id: pull.fork ? repository.id + 5_000 : repository.id },
        },
        base: {
          sha: this.#truth.base(repository, pull.baseRef),
          ref: pull.baseRef,
          repo: { id: repository.id },
        },
        user: { login: pull.author.login, id: pull.author.id },
      },
    };
  }

  /** Newest first, pages by cursor. */
  #deliveries({ query }: Asked): Answer {
    const per = Number(query.get("per_page") ?? 30);
    const cursor = query.get("cursor");
    const all = this.#hooks.attempts;
    const end = cursor === null ? all.length : Number(cursor);
    const page = all.slice(Math.max(0, end - per), end).toReversed();
    const next = end - per;
    return {
      status: 200,
      body: page.map(({ id, guid, event, action, at, status, redelivery }) => ({
        id,
        guid,
        event,
        action,
        delivered_at: iso(at),
        redelivery,
        duration: 0.1,
        status: status === 202 ? "OK" : "Invalid HTTP Response",
        status_code: status,
        installation_id: this.#truth.installation,
        repository_id: null,
      })),
      headers:
        next > 0
          ? { link: `<https://api.github.test/app/hook/deliveries?cursor=${next}>; rel="next"` }
          : {},
    };
  }

  #quota(): Record<string, string> {
    return {
      "x-ratelimit-remaining": "4000",
      "x-ratelimit-reset": String(Math.floor(this.#clock.now / 1_000) + 3_600),
    };
  }
}
