import { env } from "cloudflare:test";
import { vi } from "vitest";

/** How one request is mistreated. `lost`: carried out, and the answer never comes. */
export type Fault =
  | { kind: "lost" }
  | { kind: "limit"; retryAfter: number }
  | { kind: "status"; status: number }
  | { kind: "unauthorized" };

type CheckRun = {
  id: number;
  name: string;
  external_id: string;
  head_sha: string;
  status: string;
  conclusion: string | null;
  annotations: unknown[];
  output: { title: string; summary: string };
};

/** Our App's id, as tests have it. */
export const APP = Number(env.GITHUB_APP_ID);

/**
 * GitHub's check runs, comments and reactions, as far as the Writer uses them, on `fetch`. Strict: what it does not know is a failed test.
 * Creating twice makes two, as GitHub does; lists can lag.
 */
export class FakeGitHub {
  readonly checks: CheckRun[] = [];
  readonly comments: { id: number; body: string; app: number | null; type: string }[] = [];
  readonly reactions: string[] = [];
  readonly issues: { number: number; title: string; body: string; state: string; app: number }[] =
    [];
  /** `statuses` are their states, in order. */
  readonly deployments: {
    id: number;
    sha: string;
    environment: string;
    payload: unknown;
    app: number;
    statuses: string[];
  }[] = [];
  readonly requests: string[] = [];
  readonly unexpected: string[] = [];
  /** Taken by the requests whose `METHOD path` begins with the key, in order. */
  readonly faults: { on: string; fault: Fault }[] = [];
  /** A list shows a check run only after it was asked this many times. */
  lag = 0;
  token = "ghs_first";
  minted = 0;
  #asked = 0;

  install(): void {
    vi.spyOn(globalThis, "fetch").mockImplementation((input, init) =>
      Promise.resolve().then(() =>
        this.#answer(new URL(input instanceof Request ? input.url : String(input)), init),
      ),
    );
  }

  #answer(url: URL, init: RequestInit | undefined): Response {
    const method = init?.method ?? "GET";
    // One repository; asked about by its id alone, told of here by a name.
    if (url.pathname.startsWith("/repos/")) this.unexpected.push(`${method} ${url.pathname}`);
    const path = url.pathname.replace(/^\/repositories\/42\//u, "/repos/o/r/");
    const line = `${method} ${path}`;
    this.requests.push(line);
    const at = this.faults.findIndex(({ on }) => line.startsWith(on));
    const fault = at >= 0 ? this.faults.splice(at, 1)[0]?.fault : undefined;
    if (fault?.kind === "limit")
      return json({ message: "You have exceeded a secondary rate limit" }, 429, {
        "retry-after": String(fault.retryAfter),
      });
    if (fault?.kind === "status") return json({ message: "no" }, fault.status);
    if (fault?.kind === "unauthorized") return json({ message: "Bad credentials" }, 401);
    const answer = this.#carryOut(method, path, url, init);
    if (fault?.kind === "lost") throw new TypeError("the connection was closed");
    return answer;
  }

  #carryOut(method: string, path: string, url: URL, init: RequestInit | undefined): Response {
    const body =
      typeof init?.body === "string" ? (JSON.parse(init.body) as Record<string, never>) : {};
    const auth = new Headers(init?.headers).get("authorization") ?? "";
    if (method === "POST" && /^\/app\/installations\/\d+\/access_tokens$/u.test(path)) {
      if (!/^bearer eyJ/iu.test(auth)) return json({ message: "no" }, 401);
      this.minted += 1;
      this.token = `ghs_${this.minted}`;
      return json(
        { token: this.token, expires_at: new Date(Date.now() + 3_600_000).toISOString() },
        201,
      );
    }
    if (auth !== `token ${this.token}`) return json({ message: "Bad credentials" }, 401);
    if (method === "POST" && path === "/repos/o/r/check-runs") return this.#create(body);
    const one = /^\/repos\/o\/r\/check-runs\/(\d+)$/u.exec(path);
    const run = one && this.checks.find(({ id }) => id === Number(one[1]));
    if (run && method === "PATCH") return this.#update(run, body);
    if (run && method === "GET")
      return json({ ...run, output: { ...run.output, annotations_count: run.annotations.length } });
    if (method === "GET" && /^\/repos\/o\/r\/commits\/[0-9a-f]{40}\/check-runs$/u.test(path)) {
      this.#asked += 1;
      const shown =
        this.#asked > this.lag
          ? this.checks.filter(({ name }) => name === url.searchParams.get("check_name"))
          : [];
      return json({
        total_count: shown.length,
        check_runs: shown.map((check) => ({
          ...check,
          output: { ...check.output, annotations_count: check.annotations.length },
        })),
      });
    }
    const issue = /^\/repos\/o\/r\/issues(?:\/(\d+))?$/u.exec(path);
    if (issue) return this.#issue(method, issue[1], body);
    if (path.startsWith("/repos/o/r/deployments")) return this.#deploy(method, path, url, body);
    if (path.includes("/issues/")) return this.#talk(method, path, url, body);
    const commit = /^\/repos\/o\/r\/git\/commits\/([0-9a-f]{40})$/u.exec(path);
    if (method === "GET" && commit)
      return json({ sha: commit[1], tree: { sha: "4".repeat(40) }, parents: [] });
    if (method === "GET" && /^\/repos\/o\/r\/commits\/[^/]+$/u.test(path))
      return json({ sha: "1".repeat(40) });
    if (method === "GET" && path === "/repos/o/r/contents/.github/snowcat.yml")
      return json({ message: "Not Found" }, 404);
    if (method === "GET" && path === "/repositories/42")
      return json({ id: 42, name: "r", owner: { login: "o" }, private: false });
    this.unexpected.push(`${method} ${path}`);
    return json({ message: "Not Found" }, 404);
  }

  #issue(method: string, number: string | undefined, sent: Record<string, unknown>): Response {
    const shown = ({ app, ...issue }: (typeof this.issues)[number]) => ({
      ...issue,
      user: { type: "Bot" },
      performed_via_github_app: { id: app },
    });
    const known = this.issues.find((one) => one.number === Number(number));
    if (method === "POST" && number === undefined) {
      const made = {
        number: this.issues.length + 1,
        title: String(sent["title"]),
        body: String(sent["body"]),
        state: "open",
        app: APP,
      };
      this.issues.push(made);
      return json(shown(made), 201);
    }
    if (method === "GET" && number === undefined) {
      this.#asked += 1;
      return json(this.#asked > this.lag ? this.issues.map(shown) : []);
    }
    if (known === undefined) return json({ message: "This issue was deleted" }, 410);
    if (method === "PATCH") Object.assign(known, sent);
    return json(shown(known));
  }

  #deploy(method: string, path: string, url: URL, sent: Record<string, unknown>): Response {
    const shown = ({ id, sha, environment, payload, app }: (typeof this.deployments)[number]) => ({
      id,
      sha,
      environment,
      payload,
      performed_via_github_app: { id: app },
    });
    const status = /^\/repos\/o\/r\/deployments\/(\d+)\/statuses$/u.exec(path);
    if (method === "POST" && status) {
      const known = this.deployments.find(({ id }) => id === Number(status[1]));
      if (known === undefined) return json({ message: "Not Found" }, 404);
      known.statuses.push(String(sent["state"]));
      return json({ id: known.statuses.length, state: sent["state"] }, 201);
    }
    if (path !== "/repos/o/r/deployments") {
      this.unexpected.push(`${method} ${path}`);
      return json({ message: "Not Found" }, 404);
    }
    if (method === "POST") {
      const made = {
        id: this.deployments.length + 1,
        sha: String(sent["ref"]),
        environment: String(sent["environment"]),
        payload: sent["payload"],
        app: APP,
        statuses: [],
      };
      this.deployments.push(made);
      return json(shown(made), 201);
    }
    this.#asked += 1;
    const asked = (name: string) => url.searchParams.get(name);
    const listed = this.deployments.filter(
      ({ sha, environment }) => sha === asked("sha") && environment === asked("environment"),
    );
    const page = Number(asked("page") ?? 1);
    return json(
      this.#asked > this.lag ? listed.slice((page - 1) * 100, page * 100).map(shown) : [],
    );
  }

  #talk(method: string, path: string, url: URL, sent: Record<string, unknown>): Response {
    const text = String(sent["body"]);
    const shown = ({ id, body, app, type }: (typeof this.comments)[number]) => ({
      id,
      body,
      user: { type },
      performed_via_github_app: app === null ? null : { id: app },
    });
    const reaction = /^\/repos\/o\/r\/issues\/comments\/(\d+)\/reactions$/u.exec(path);
    if (method === "POST" && reaction) {
      const content = String(sent["content"]);
      const what = `${content} on ${reaction[1]}`;
      const known = this.reactions.includes(what);
      if (!known) this.reactions.push(what);
      return json({ id: this.reactions.indexOf(what) + 1, content }, known ? 200 : 201);
    }
    const one = /^\/repos\/o\/r\/issues\/comments\/(\d+)$/u.exec(path);
    if (one) {
      const found = this.comments.find(({ id }) => id === Number(one[1]));
      if (found === undefined) return json({ message: "Not Found" }, 404);
      if (method === "PATCH") found.body = text;
      return json(shown(found));
    }
    if (path !== "/repos/o/r/issues/7/comments") {
      this.unexpected.push(`${method} ${path}`);
      return json({ message: "Not Found" }, 404);
    }
    if (method === "POST") {
      const id = this.comments.length + 1;
      const made = { id, body: text, app: APP, type: "Bot" };
      this.comments.push(made);
      return json(shown(made), 201);
    }
    this.#asked += 1;
    const page = Number(url.searchParams.get("page") ?? 1);
    const listed = this.#asked > this.lag ? this.comments : [];
    return json(listed.slice((page - 1) * 100, page * 100).map(shown));
  }

  #create(body: Record<string, never>): Response {
    const check: CheckRun = {
      id: this.checks.length + 1,
      name: "",
      external_id: "",
      head_sha: "",
      status: "queued",
      conclusion: null,
      annotations: [],
      output: { title: "", summary: "" },
    };
    this.checks.push(check);
    return this.#update(check, body, 201);
  }

  #update(check: CheckRun, body: Record<string, never>, status = 200): Response {
    const { output, ...rest } = body as {
      output?: { title: string; summary: string; annotations?: unknown[] };
    };
    if ((output?.annotations?.length ?? 0) > 50)
      return json({ message: "too many annotations" }, 422);
    Object.assign(
      check,
      rest,
      output ? { output: { title: output.title, summary: output.summary } } : {},
    );
    check.annotations.push(...(output?.annotations ?? []));
    return json(
      { ...check, output: { ...check.output, annotations_count: check.annotations.length } },
      status,
      {
        "x-ratelimit-remaining": "4000",
        "x-ratelimit-reset": String(Math.floor(Date.now() / 1_000) + 3_600),
      },
    );
  }
}

function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
  });
}
