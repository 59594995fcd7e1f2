import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { work } from "../deploy/support.ts";
import { specification, type World, world } from "./world.ts";

let here: World;
beforeEach(async () => {
  here = await world();
});
afterEach(async () => {
  await here.stop();
});

const succeeded: Verdict = { kind: "succeeded", reused: false };
const about = { job: "11-1.0", attempt: 1 };
const deploy = () => specification("11-1.0", { work: work({}) });

describe("past its point of no return", () => {
  /** A job that seals itself, and ends when it is let. */
  async function sealed() {
    const { plane } = here;
    const goOn = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<AbortSignal>();
    const agent = await here.start(async (_, { seal, signal }) => {
      expect(seal()).toBe(true);
      reached.resolve(signal);
      await goOn.promise;
      return succeeded;
    });
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(deploy());
    return { plane, agent, goOn, signal: await reached.promise };
  }

  it("no cancel reaches a job, and its own verdict is told", async () => {
    const { plane, agent, goOn, signal } = await sealed();
    plane.tell({ kind: "cancel", reason: "a person" }, about);
    agent.cancelAll("the runner is being stopped");
    // The answer to a second offer comes after the cancel has been read.
    plane.offer(specification("11-1.1", { pool: "untrusted" }));
    await plane.until(() => plane.control.some(({ body }) => body.kind === "refused"));
    expect(signal.aborted).toBe(false);
    goOn.resolve();
    await plane.until(() => plane.finished("11-1.0").length > 0);
    expect(plane.finished("11-1.0")[0]?.body).toMatchObject({ verdict: succeeded });
  });

  it("a job that is taken away goes on, and nothing of it is told", async () => {
    const { plane, agent, goOn, signal } = await sealed();
    plane.tell({ kind: "forget", reason: "attempt 2" }, about);
    plane.offer(specification("11-1.1", { pool: "untrusted" }));
    await plane.until(() => plane.control.some(({ body }) => body.kind === "refused"));
    expect(signal.aborted).toBe(false);
    goOn.resolve();
    await agent.drain();
    expect(plane.finished("11-1.0")).toEqual([]);
  });

  it("a cancel that came before is not passed over", async () => {
    const { plane } = here;
    const answers: boolean[] = [];
    const begun = Promise.withResolvers<void>();
    await here.start(async (_, { seal, signal }) => {
      begun.resolve();
      if (!signal.aborted)
        await new Promise((resolve) => {
          signal.addEventListener("abort", resolve, { once: true });
        });
      answers.push(seal());
      return succeeded;
    });
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(deploy());
    await begun.promise;
    plane.tell({ kind: "cancel", reason: "a person" }, about);
    await plane.until(() => plane.finished("11-1.0").length > 0);
    expect(answers).toEqual([false]);
    expect(plane.finished("11-1.0")[0]?.body).toMatchObject({ verdict: { kind: "cancelled" } });
  });
});

describe("a restart of the agent in a deploy", () => {
  it("sees the machine's end, and begins nothing again", async () => {
    const { plane } = here;
    const began = Promise.withResolvers<void>();
    const first = await here.start(async (_, { sink }) => {
      await sink.machine({ kind: "step", machine: "web", step: "activate" });
      began.resolve();
      return await new Promise<Verdict>(() => {});
    });
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(deploy());
    await began.promise;
    await first.stop();
    plane.cut();

    const lives: boolean[] = [];
    await here.start(async ({ work: asked }, { sink, resumed }) => {
      lives.push(resumed);
      if (asked.kind !== "deploy") throw new Error("another job than was begun");
      const outcome = { kind: "held", why: "seen", running: null } as const;
      await sink.machine({ kind: "deployed", machine: asked.machine.name, outcome });
      return succeeded;
    });
    await plane.until(() => plane.finished("11-1.0").length > 0);
    expect(lives).toEqual([true]);
    expect(plane.finished("11-1.0")[0]?.body).toMatchObject({ verdict: succeeded });
    expect(plane.run.map(({ body }) => body.kind)).toEqual(["step", "deployed"]);
  });
});

it("tells which machines its policy names when that changes, and with the next hello", async () => {
  const { plane } = here;
  const target = (name: string) => ({
    name,
    hostKey: `SHA256:${"a".repeat(43)}`,
    repositories: [11],
  });
  let targets = [target("web")];
  const agent = await here.start(async () => succeeded, { targets: () => targets });
  await plane.until(() => plane.hellos.length === 1);
  expect(plane.hellos[0]?.targets).toEqual([target("web")]);
  targets = [target("web"), target("db")];
  agent.targetsChanged();
  await plane.until(() => plane.unkept.some(({ kind }) => kind === "targets"));
  expect(plane.unkept.find(({ kind }) => kind === "targets")).toEqual({ kind: "targets", targets });
  targets = [];
  plane.cut();
  await plane.until(() => plane.hellos.length === 2);
  expect(plane.hellos[1]).not.toHaveProperty("targets");
});
