import { createHmac, generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { EnrolmentReply } from "../../src/protocol/enrolment.ts";
import { RUNNER_ROUTE } from "../../src/protocol/routes.ts";
import { connectHeader, loadIdentity, publicKeyOf } from "../../src/runner/enrolment/identity.ts";
import { derivation, flake } from "../demo/scenarios/flakes.ts";
import { eventually, type Project } from "../demo/stage.ts";
import { enrolmentCode } from "../support/stack.ts";
import type { RunningRunner } from "../support/runner.ts";
import { filesWith } from "./on-disk.ts";
import { onStack } from "./suite.ts";

/** Who may make what run where, and what the Worker takes from whom. */

const works = (name: string) => derivation(name, `echo ${name} > $out`);

onStack("trust", {}, (at) => {
  let untrusted: RunningRunner;
  beforeAll(async () => {
    untrusted = await at.stack.addRunner({ name: "untrusted", pool: "untrusted" });
  });
  const jobsOf = (runner: RunningRunner, project: Project) =>
    runner.jobs().filter(({ job }) => job.startsWith(`${project.repository.id}-`));

  test("a fork runs after approval of its very commit, apart; nothing of it serves a trusted run", async () => {
    const { stage, stack } = at;
    const { owner, stranger } = stack.accounts;
    const project = await stage.project("forked", { "flake.nix": flake({ a: works("forked-a") }) });
    // What is pushed below must be judged by what it is, not by what was there at the start.
    await project.judged(await project.push("main", { notes: "base\n" }));
    const fork = await project.fork();
    const files = {
      "flake.nix": flake({ a: works("forked-a"), mine: works(`forked-${randomUUID()}`) }),
    };
    const head = await fork.push("feature", files);
    const { pull } = await project.openPull("feature", "From a stranger", fork);
    expect((await project.judged(head)).get("snowcat")).toBe("action_required");
    const before = jobsOf(stack.runner, project).length;

    stage.github.comment(stranger, project.repository, pull.number, `/ok-to-test ${head}`);
    stage.github.comment(
      owner,
      project.repository,
      pull.number,
      `/ok-to-test ${head.slice(0, 12)}`,
    );
    stage.github.comment(owner, project.repository, pull.number, `looks good, /ok-to-test ${head}`);
    await stage.github.settled();
    // One inbox, in order: when what came later is done, the comments have been looked at.
    await project.judged(await project.push("later", { notes: "later\n" }));
    expect(project.checks(head).get("snowcat")).toBe("action_required");
    expect(jobsOf(untrusted, project)).toEqual([]);

    stage.github.comment(owner, project.repository, pull.number, `/ok-to-test ${head}`);
    await eventually(
      () => project.checks(head).get("snowcat") === "success",
      "the approved run succeeds",
      () => project.checks(head).seen(),
    );
    expect(
      jobsOf(untrusted, project)
        .map(({ kind }) => kind)
        .toSorted(),
    ).toEqual(["build", "evaluate"]);
    const trustedSoFar = jobsOf(stack.runner, project).length;

    const second = await fork.push("feature", {
      "flake.nix": flake({ a: works("forked-a"), mine: works(`forked-${randomUUID()}`) }),
    });
    const again = await project.judged(second);
    expect(again.get("snowcat")).toBe("action_required");
    expect(again.title("snowcat")).toMatch(/needs approval/iu);
    expect(jobsOf(untrusted, project).length).toBe(2);

    // The same tree, now by somebody with write: evaluated and built anew.
    const trusted = await project.push("main", files);
    const checks = await project.judged(trusted);
    expect(checks.get("snowcat")).toBe("success");
    expect(checks.text("snowcat")).not.toMatch(/tree known/u);
    // `a` is known of the trusted pool itself.
    expect(checks.text("snowcat")).not.toMatch(/linux\.mine`.*known before/u);
    expect(
      jobsOf(stack.runner, project)
        .slice(trustedSoFar)
        .map(({ kind }) => kind)
        .toSorted(),
    ).toEqual(["build", "evaluate"]);
    expect(before).toBeGreaterThan(0);
  });

  test("a branch of the repository, brought by somebody without write, waits as well", async () => {
    const { stage, stack } = at;
    const { stranger } = stack.accounts;
    const project = await stage.project("same-repository", {
      "flake.nix": flake({ a: works("same-a") }),
    });
    const hold = stage.github.hold();
    const head = await stage.github.commit(project.repository, {
      branch: "feature",
      as: stranger,
      files: { "flake.nix": flake({ a: works(`same-${randomUUID()}`) }) },
    });
    const pull = await stage.github.openPullRequest(stranger, project.repository, {
      head: "feature",
    });
    // Only the pull request: a branch pushed by somebody with write, and a pull request by somebody without.
    hold.release((held) => held.filter(({ event }) => event !== "push"));
    const checks = await project.judged(head);
    expect(checks.get("snowcat")).toBe("action_required");
    expect(jobsOf(stack.runner, project)).toEqual([]);
    expect(pull.number).toBeGreaterThan(0);
  });

  test("a pull request that loosens its own policy changes nothing of it", async () => {
    const { stage, stack } = at;
    const strict =
      "version: 1\nevaluate:\n  - flake: .\n    systems: [x86_64-linux]\npolicy:\n  trusted: default-branch-and-merge-queue\n";
    const loose =
      "version: 1\nevaluate:\n  - flake: .\n    systems: [riscv64-linux]\n    attributes: [packages.x86_64-linux.fine]\nsets:\n  pull_request: [packages.x86_64-linux.fine]\npolicy:\n  trusted: repository\n";
    const project = await stage.project(
      "loosened",
      { "flake.nix": flake({ fine: works("loosened-fine") }), ".github/snowcat.yml": strict },
      { required: ["snowcat"] },
    );
    const broken = derivation("loosened-broken", "echo it breaks; exit 3");
    const head = await project.push("feature", {
      "flake.nix": flake({ fine: works("loosened-fine"), broken }),
      ".github/snowcat.yml": loose,
    });
    const pull = await project.openPull("feature", "Trust me");
    const checks = await project.judged(head);
    expect(checks.get("snowcat")).toBe("failure");
    expect(checks.get("snowcat / packages.x86_64-linux.broken")).toBe("failure");
    expect((await pull.merge()).merged).toBe(false);
    expect(jobsOf(stack.runner, project)).toEqual([]);
    expect(jobsOf(untrusted, project).length).toBeGreaterThan(0);
  });

  test("a runner's socket takes an enrolled key, its own, in time, once", async () => {
    const { worker, runner } = at.stack;
    const enrolled = await loadIdentity(join(runner.stateDirectory, "agent"));
    if (enrolled === null) throw new Error("the runner is not enrolled");
    const { identity, key } = enrolled;
    const open = async (headers: Record<string, string>) =>
      upgrade(worker.url + RUNNER_ROUTE.socket, headers);
    const good = connectHeader(identity, key, Date.now());
    expect(await open({ authorization: good })).toBe(101);
    expect(await open({ authorization: good })).toBe(403);
    expect(await open({})).toBe(401);
    expect(await open({ authorization: "Bearer anything" })).toBe(401);
    const stranger = generateKeyPairSync("ed25519").privateKey;
    expect(await open({ authorization: connectHeader(identity, stranger, Date.now()) })).toBe(403);
    expect(
      await open({ authorization: connectHeader(identity, key, Date.now() - 3_600_000) }),
    ).toBe(403);
    expect(
      await open({
        authorization: connectHeader(
          { ...identity, runner: "0123456789abcdefghij" },
          key,
          Date.now(),
        ),
      }),
    ).toBe(403);
    expect(
      await open({
        authorization: connectHeader(
          { ...identity, account: identity.account + 1 },
          key,
          Date.now(),
        ),
      }),
    ).toBe(403);
    const data = [RUNNER_ROUTE.run, RUNNER_ROUTE.log].map((route) =>
      upgrade(worker.url + route, { authorization: "Bearer forged" }),
    );
    expect(await Promise.all(data)).toEqual([401, 401]);
    expect(
      (
        await fetch(worker.url + RUNNER_ROUTE.token, {
          method: "POST",
          headers: { authorization: "Bearer forged" },
        })
      ).status,
    ).toBe(401);
  });

  test("an enrolment code works once, and only one that was minted", async () => {
    const { worker, accounts } = at.stack;
    const code = await enrolmentCode(worker, {
      account: accounts.owner.id,
      pool: "untrusted",
      class: "once",
      repositories: null,
    });
    const enrol = async (text: string) => {
      const publicKey = publicKeyOf(generateKeyPairSync("ed25519").privateKey);
      return fetch(worker.url + RUNNER_ROUTE.enrol, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ code: text, name: "once", publicKey }),
      });
    };
    const first = await enrol(code);
    expect(first.status).toBe(200);
    expect(EnrolmentReply.parse(await first.json()).pool).toBe("untrusted");
    const second = await enrol(code);
    expect(second.status).toBe(403);
    expect(await second.text()).toMatch(/used|expired/u);
    expect((await enrol(code.replace(/.$/u, (last) => (last === "A" ? "B" : "A")))).status).toBe(
      403,
    );
    const codes = await fetch(`${worker.url}/operator/codes`, {
      method: "POST",
      headers: { authorization: "Bearer guessed" },
      body: "{}",
    });
    expect(codes.status).toBe(401);
  });

  test("what is no delivery is refused and leaves nothing; what is not served is recorded and makes nothing run", async () => {
    const { stage } = at;
    const { worker, webhookSecret, accounts } = at.stack;
    const post = async (
      body: Uint8Array | string,
      headers: Record<string, string>,
      id: string = randomUUID(),
    ) => {
      const answer = await fetch(`${worker.url}/github/webhook`, {
        method: "POST",
        body,
        headers: {
          "content-type": "application/json",
          "x-github-event": "push",
          "x-github-delivery": id,
          ...headers,
        },
      });
      await answer.arrayBuffer();
      return answer.status;
    };
    const signed = (body: Uint8Array | string, secret = webhookSecret) => ({
      "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
    });
    const repository = {
      id: 990_001,
      name: "elsewhere",
      full_name: "other/elsewhere",
      owner: { id: 990_002, login: "other", type: "User" },
    };
    const owned = { ...repository, owner: { id: accounts.owner.id, login: "acme", type: "User" } };
    const push = { ref: "refs/heads/main", before: "0".repeat(40), after: "1".repeat(40) };
    const json = JSON.stringify;

    const refused = randomUUID();
    const body = json({ ...push, repository: owned });
    for (const headers of [
      {},
      signed(body, "guessed"),
      { "x-hub-signature-256": "sha256=" },
      signed(`${body} `),
    ])
      expect(await post(body, headers, refused)).toBe(401);
    expect(await tooLarge(`${worker.url}/github/webhook`, 25_000_001)).toBe(413);

    const bodies = {
      "not JSON": { event: "push", status: 400, body: "{ not JSON" },
      "an unknown event": {
        event: "never_heard_of",
        status: 202,
        body: json({ action: "done", repository: { ...owned, id: 990_003 } }),
      },
      "no installation": {
        event: "push",
        status: 202,
        body: json({
          ...push,
          repository: { ...owned, id: 990_004, default_branch: "main", private: false },
          sender: owned.owner,
        }),
      },
      "an account that is not served": {
        event: "push",
        status: 202,
        body: json({
          ...push,
          repository: { ...repository, default_branch: "main", private: false },
          installation: { id: 990_005 },
          sender: repository.owner,
        }),
      },
    };
    for (const [what, one] of Object.entries(bodies)) {
      const id = randomUUID();
      expect(
        await post(one.body, { ...signed(one.body), "x-github-event": one.event }, id),
        what,
      ).toBe(one.status);
      expect(await filesWith([worker.stateDirectory], id), `${what} is recorded`).not.toEqual([]);
    }
    expect(
      await filesWith([worker.stateDirectory], refused),
      "nothing of what is refused is kept",
    ).toEqual([]);
    // Nothing is broken by them: the next push is served, and none of them made a request or a job.
    const project = await stage.project("after-bad-input", {
      "flake.nix": flake({ a: works("after-a") }),
    });
    const checks = await project.judged(await project.push("main", { notes: "on\n" }));
    expect(checks.get("snowcat")).toBe("success");
    expect(
      at.stack.github.requests().filter(({ path }) => /elsewhere|99000\d/u.test(path)),
    ).toEqual([]);
    expect(
      [at.stack.runner, untrusted]
        .flatMap((runner) => runner.jobs())
        .filter(({ job }) => job.startsWith("99000")),
    ).toEqual([]);
    expect(worker.log.filter((line) => /uncaught|unhandled/iu.test(line))).toEqual([]);
  });
});

/** HTTP status of a WebSocket's upgrade. */
async function upgrade(url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(url.replace(/^http/u, "ws"), { headers });
  return new Promise((resolve, reject) => {
    socket.once("open", () => {
      socket.terminate();
      resolve(101);
    });
    socket.once("unexpected-response", (request, response) => {
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
    socket.once("error", reject);
  });
}

/** Status of a POST that declares so many bytes, and is answered before it has sent them. */
async function tooLarge(url: string, bytes: number): Promise<number> {
  const posting = request(url, { method: "POST", headers: { "content-length": bytes } });
  posting.write("{");
  const [answer] = (await once(posting, "response")) as [IncomingMessage];
  posting.on("error", () => undefined).destroy();
  return answer.statusCode ?? 0;
}
