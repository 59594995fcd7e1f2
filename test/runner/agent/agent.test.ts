import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import type { RunJob } from "../../../src/runner/agent/job.ts";
import { specification, type World, world } from "./world.ts";

let here: World;
beforeEach(async () => {
  here = await world();
});
afterEach(async () => {
  await here.stop();
});

const succeeded: Verdict = { kind: "succeeded", reused: false };
const attribute = (index: number) => ({
  selection: 0,
  path: ["packages", "x86_64-linux", `a${index}`],
  system: "x86_64-linux",
  result: { kind: "error" as const, message: "no", position: null },
  seconds: null,
});
const bytes = (text: string) => new TextEncoder().encode(text);
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });

describe("an offer", () => {
  it("is accepted, started, worked on and finished, in this order, with its data committed first", async () => {
    const { plane } = here;
    await here.start(async (_, { sink, cloneToken }) => {
      const token = await cloneToken();
      await sink.attributes(Array.from({ length: 450 }, (_each, index) => attribute(index)));
      await sink.log("job").write(bytes(`hello ${token}\n`));
      return succeeded;
    });
    await plane.until(() => plane.hellos.length > 0);
    let dataAtEnd = -1;
    plane.admit = (_path, { body }) => {
      if ((body as { kind: string }).kind === "finished") dataAtEnd = plane.run.length;
      return true;
    };
    plane.offer(specification("11-1.0"));
    await plane.until(() => plane.finished("11-1.0").length > 0);
    expect(plane.control.map(({ body }) => body.kind)).toEqual(["accept", "started", "finished"]);
    expect(
      plane.run.map(({ body }) => (body.kind === "attributes" ? body.attributes.length : 0)),
    ).toEqual([200, 200, 50]);
    expect(dataAtEnd).toBe(3);
    const log = plane.logs.get("job") ?? Buffer.alloc(0);
    expect(log.toString()).toBe("hello ***\n");
    expect(plane.closed.get("job")).toMatchObject({
      size: log.length,
      sha256: sha256(log),
      dropped: 0,
    });
    expect(plane.wire).not.toContain("clone-token-of");
    expect(plane.control.at(-1)?.body).toMatchObject({
      verdict: succeeded,
      digest: sha256(bytes(JSON.stringify(succeeded))),
    });
  });

  it("is declined above the slots, and below the free disk", async () => {
    const { plane } = here;
    await here.start(
      async (_, { signal }) => {
        await aborted(signal);
        return succeeded;
      },
      { slots: 1 },
    );
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(specification("11-1.0"));
    plane.offer(specification("11-2.0"));
    await plane.until(() => plane.control.some(({ body }) => body.kind === "decline"));
    expect(plane.control.find(({ body }) => body.kind === "decline")).toMatchObject({
      job: "11-2.0",
      body: { reason: "no free slot" },
    });
    const full = await world();
    await full.start(async () => succeeded, { minimumFreeBytes: Number.MAX_SAFE_INTEGER });
    await full.plane.until(() => full.plane.hellos.length > 0);
    full.plane.offer(specification("11-3.0"));
    await full.plane.until(() => full.plane.control.length > 0);
    expect(full.plane.control[0]?.body).toMatchObject({
      kind: "decline",
      reason: expect.stringContaining("disk"),
    });
    await full.stop();
  });
});

describe("the end of a job", () => {
  it("is `cancelled` after a cancel, whatever the job answers", async () => {
    const { plane } = here;
    await here.start(async (_, { signal }) => {
      await aborted(signal);
      return succeeded;
    });
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(specification("11-1.0"));
    await plane.until(() => plane.control.some(({ body }) => body.kind === "started"));
    plane.tell({ kind: "cancel", reason: "a person" }, { job: "11-1.0", attempt: 1 });
    await plane.until(() => plane.finished("11-1.0").length > 0);
    expect(plane.finished("11-1.0")[0]?.body).toMatchObject({
      verdict: { kind: "cancelled", by: "a person" },
    });
  });

  it("is `infrastructure`, redacted, when the job throws", async () => {
    const { plane } = here;
    await here.start(async (_, { cloneToken }) => {
      throw new Error(`cannot fetch with ${await cloneToken()}`);
    });
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(specification("11-1.0"));
    await plane.until(() => plane.finished("11-1.0").length > 0);
    expect(plane.finished("11-1.0")[0]?.body).toMatchObject({
      verdict: { kind: "infrastructure", message: "cannot fetch with ***" },
    });
  });

  it("is not told when the attempt was taken away", async () => {
    const { plane, directory } = here;
    const agent = await here.start(async (_, { signal }) => {
      await aborted(signal);
      return succeeded;
    });
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(specification("11-1.0"));
    await plane.until(() => plane.control.some(({ body }) => body.kind === "started"));
    plane.tell({ kind: "forget", reason: "attempt 2" }, { job: "11-1.0", attempt: 1 });
    await agent.drain();
    expect(plane.finished("11-1.0")).toEqual([]);
    expect(await readdir(join(directory, "attempts"))).toEqual([]);
  });
});

describe("cut connections", () => {
  it("lose no byte of a log and no attribute, and double none", async () => {
    const { plane } = here;
    let frames = 0;
    let cuts = 0;
    const maybe = () => {
      frames += 1;
      const cut = frames % 5 === 0 && cuts < 100;
      if (cut) cuts += 1;
      return !cut;
    };
    plane.admit = maybe;
    plane.acknowledge = maybe;
    const lines = Array.from(
      { length: 4_000 },
      (_, index) => `${index} ${"x".repeat(index % 900)}\n`,
    );
    const work: RunJob = async (_, { sink }) => {
      for (const [index, line] of lines.entries()) {
        await sink.log("job").write(bytes(line));
        if (index % 20 === 0) await sink.attributes([attribute(index)]);
      }
      return succeeded;
    };
    await here.start(work);
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(specification("11-1.0"));
    // The offer may have been cut off; the Fleet would send it again after the hello.
    await plane.until(() => plane.finished("11-1.0").length > 0);
    const whole = bytes(lines.join(""));
    expect(cuts).toBe(100);
    expect(plane.logs.get("job")?.length).toBe(whole.length);
    expect(plane.closed.get("job")?.sha256).toBe(sha256(whole));
    expect(
      plane.run.map(({ body }) =>
        body.kind === "attributes" ? body.attributes[0]?.path[2] : null,
      ),
    ).toEqual(Array.from({ length: 200 }, (_, index) => `a${index * 20}`));
    expect(plane.finished("11-1.0")).toHaveLength(1);
    expect(plane.gaps).toBe(0);
  });
});

describe("a restart of the agent", () => {
  it("reports what was running as lost, with every byte and the end of its log", async () => {
    const { plane } = here;
    // Nothing of the log is acknowledged in the first life: all of it must come from the disk.
    plane.admit = (path) => !path.endsWith("/log");
    const wrote = Promise.withResolvers<void>();
    const first = await here.start(async (_, { sink }) => {
      await sink.log("job").write(new Uint8Array(200_000).fill(65));
      await sink.attributes([attribute(1)]);
      wrote.resolve();
      return await new Promise<Verdict>(() => {});
    });
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(specification("11-1.0"));
    await wrote.promise;
    await plane.until(() => plane.control.some(({ body }) => body.kind === "started"));
    await first.stop();
    plane.cut();
    plane.admit = () => true;
    await here.start(async () => succeeded);
    await plane.until(() => plane.finished("11-1.0").length > 0);
    expect(plane.hellos.at(-1)?.running).toEqual([{ job: "11-1.0", attempt: 1 }]);
    expect(plane.finished("11-1.0")[0]?.body).toMatchObject({
      verdict: { kind: "infrastructure" },
    });
    expect(plane.logs.get("job")?.length).toBe(200_000);
    expect(plane.closed.get("job")?.sha256).toBe(sha256(new Uint8Array(200_000).fill(65)));
    expect(plane.run).toHaveLength(1);
  });

  it("tells a verdict that was not acknowledged, once", async () => {
    const { plane, directory } = here;
    let lose = true;
    plane.acknowledge = (_path, { body }) =>
      !(lose && (body as { kind: string }).kind === "finished");
    const first = await here.start(async () => succeeded);
    await plane.until(() => plane.hellos.length > 0);
    plane.offer(specification("11-1.0"));
    await plane.until(() => plane.finished("11-1.0").length > 0);
    await first.stop();
    plane.cut();
    lose = false;
    const second = await here.start(async () => succeeded);
    await second.drain();
    expect(plane.finished("11-1.0")).toHaveLength(1);
    expect(plane.finished("11-1.0")[0]?.body).toMatchObject({ verdict: succeeded });
    expect(await readdir(join(directory, "attempts"))).toEqual([]);
  });
});
