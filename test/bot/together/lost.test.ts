import { afterEach, expect, it, vi } from "vitest";
import { withClaims } from "../../../src/bot/channel/index.ts";
import type { DesiredCheck } from "../../../src/bot/objects/contracts.ts";
import { Repo } from "../../../src/bot/objects/repo/repo.ts";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import type { ToRun } from "../../../src/protocol/data.ts";
import { Specification } from "../../../src/protocol/specification.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { enrolled, TestRunner } from "../fleet/runner.ts";
import { newFleet } from "../fleet/world.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import { asked, key, observation } from "../run/deploying.ts";
import { BASE, request } from "../run/harness.ts";

afterEach(() => void vi.restoreAllMocks());

const machine = { name: "web1", hostKey: key("web1") };
const SUCCEEDED: Verdict = { kind: "succeeded", reused: false };
const THROWN: Verdict = { kind: "infrastructure", message: "spawn ENOENT", logTail: "" };

/** GitHub's side alone is a stand-in. @returns what each check was last asked to show. */
function withoutGitHub(): Map<string, DesiredCheck> {
  const checks = new Map<string, DesiredCheck>();
  vi.spyOn(Repo.prototype, "policy").mockResolvedValue({
    ok: true,
    value: { text: "", commit: BASE },
  });
  vi.spyOn(Repo.prototype, "section").mockResolvedValue();
  vi.spyOn(Repo.prototype, "finished").mockResolvedValue();
  vi.spyOn(Writer.prototype, "say").mockResolvedValue();
  vi.spyOn(Writer.prototype, "desire").mockImplementation(async (all) => {
    for (const check of all) checks.set(check.name, check);
  });
  return checks;
}

it.each([
  [4_201, "before it said a word", false],
  [4_202, "after it said how the machine was", true],
])(
  "a deploy (of %i) whose job throws %s is looked at at once, by the real objects, and ends as what the machine proves",
  async (repository, _, speaks) => {
    const id = `${repository}-1`;
    await migrateIndex();
    const checks = withoutGitHub();
    const { account, fleet } = newFleet();
    const enrolment = await enrolled(fleet, account, { pool: "deploy" });
    const runner = await TestRunner.connect(fleet, enrolment);
    runner.hello({
      slots: 1,
      targets: [{ ...machine, repositories: [repository] }],
    });
    await runner.nth("welcome", 0);

    const { identity } = request();
    const run = env.RUN.getByName(`${env.GITHUB_HOST}/run/${id}`);
    await run.start(
      request({
        run: id,
        ...asked({ kind: "rollback", machine: "web1", generation: null }),
        identity: {
          ...identity,
          account: { id: account, login: "o" },
          repository: { ...identity.repository, id: repository },
        },
      }),
    );
    /** Takes a job, says this of its machine, and ends. */
    const does = async (n: number, verdict: Verdict, ...said: ToRun[]) => {
      const about = { job: `${id}.${n}`, attempt: 1 };
      const { work } = Specification.parse(
        JSON.parse((await runner.offer(about.job, 1)).specification),
      );
      runner.tell({ kind: "accept" }, about);
      runner.tell({ kind: "started" }, about);
      const claims = {
        host: env.GITHUB_HOST,
        account,
        installation: identity.installation,
        repository,
        run: id,
        ...about,
        runner: enrolment.reply.runner,
        key: "",
        expiresAt: Date.now() + 60_000,
      };
      const { webSocket: socket } = await run.fetch(withClaims("https://run/", claims));
      if (!socket) throw new Error("no socket");
      const answers: string[] = [];
      socket.addEventListener("message", ({ data }) => void answers.push(String(data)));
      socket.accept();
      for (const [at, body] of said.entries())
        socket.send(
          JSON.stringify({ v: 1, seq: at + 1, ack: 0, job: null, attempt: null, sig: null, body }),
        );
      await vi.waitUntil(() => answers.some((text) => text.includes(`"ack":${said.length},`)), {
        timeout: 10_000,
      });
      socket.close();
      runner.tell({ kind: "finished", verdict, digest: String(n).repeat(64) }, about);
      return work;
    };
    const seen = (counter: number): ToRun => ({
      kind: "observed",
      machine,
      result: { kind: "observation", observation: { ...observation(Date.now()), counter } },
    });
    expect(await does(1, SUCCEEDED, seen(0))).toMatchObject({ kind: "observe" });
    const step = { kind: "step", machine: "web1", step: "check" } as const;
    expect(await does(2, THROWN, ...(speaks ? [step, seen(0)] : []))).toMatchObject({
      kind: "deploy",
      counter: 1,
    });
    expect(await does(3, SUCCEEDED, seen(0))).toMatchObject({ kind: "observe" });
    await vi.waitUntil(
      async () =>
        checks.get("snowcat / rollback")?.status === "completed" &&
        (await run.view())?.state === "finished",
      { timeout: 10_000, interval: 20 },
    );
    expect(checks.get("snowcat / rollback")).toMatchObject({ conclusion: "failure" });
    expect(checks.get("snowcat / rollback")?.summary).toContain(
      "runs and boots what it ran before",
    );
    expect(await run.view()).toMatchObject({
      state: "finished",
      jobs: [
        { verdict: { kind: "succeeded" } },
        { verdict: { kind: "infrastructure" } },
        { verdict: { kind: "succeeded" } },
      ],
    });
    // None of them twice.
    expect(offered(runner)).toEqual([1, 2, 3].map((n) => `${id}.${n}`));
  },
);

function offered({ frames }: TestRunner): string[] {
  return frames.flatMap(({ body, job }) => (body.kind === "offer" && job !== null ? [job] : []));
}
