import { describe, expect, it } from "vitest";
import {
  assign,
  deadline,
  type FleetJob,
  type FleetRunner,
  type JobEvent,
  lacks,
  MAX_LOSSES,
  missingEverywhere,
  nextDue,
  step,
  WAITS,
} from "../../../src/core/fleet/index.ts";
import { LEASE } from "../../../src/protocol/control.ts";
import { job, runner } from "./rows.ts";

const play = (start: FleetJob, events: JobEvent[]) =>
  events.reduce((at, event) => step(at.job, event, 1), {
    job: start,
    effects: [] as ReturnType<typeof step>["effects"],
  });

describe("a job that is lost again and again", () => {
  it("is offered again, then given up as infrastructure", () => {
    let at = job();
    for (let loss = 1; loss <= MAX_LOSSES; loss += 1) {
      const next = play(at, [
        { kind: "offer", runner: `r${loss}` },
        { kind: "sent" },
        { kind: "started", attempt: loss, runner: `r${loss}` },
        { kind: "expired" },
      ]);
      at = next.job;
      if (loss < MAX_LOSSES) expect(at.state).toBe("suspect");
      else
        expect(next.effects).toMatchObject([
          { kind: "forward", attempt: MAX_LOSSES, verdict: { kind: "infrastructure" } },
        ]);
    }
    expect(at.state).toBe("done");
  });
});

describe("attempt n", () => {
  const suspect = job({ state: "suspect", attempt: 1, runner: "r1" });
  const finished = {
    kind: "finished",
    attempt: 1,
    runner: "r1",
    verdict: { kind: "succeeded", reused: false },
    digest: "d",
  } as const;
  it("stays valid while it is suspect", () => {
    expect(step(suspect, finished, 1).effects).toMatchObject([{ kind: "forward", attempt: 1 }]);
  });
  it("is refused from the moment n + 1 is offered", () => {
    const offering = step(suspect, { kind: "offer", runner: "r2" }, 1);
    expect(offering.effects).toMatchObject([{ kind: "forget", attempt: 1, runner: "r1" }]);
    expect(step(offering.job, finished, 1).effects).toMatchObject([{ kind: "forget", attempt: 1 }]);
  });
  it("has one verdict: the same again changes nothing, another is refused", () => {
    const { job: done } = step(suspect, finished, 1);
    expect(step(done, finished, 2)).toEqual({ job: done, effects: [] });
    expect(step(done, { ...finished, digest: "other" }, 2)).toMatchObject({
      job: done,
      effects: [{ kind: "forget" }],
    });
  });
});

describe("a cancel that comes before the offer is out", () => {
  it("ends the job without an offer", () => {
    const { job: cancelled } = play(job(), [
      { kind: "offer", runner: "r1" },
      { kind: "cancel", reason: "a person" },
    ]);
    expect(step(cancelled, { kind: "sent" }, 2)).toMatchObject({
      job: { state: "done" },
      effects: [{ kind: "forward", verdict: { kind: "cancelled", by: "a person" } }],
    });
  });
});

describe("deadlines", () => {
  it("of a running job are its runner's lease; of an accepted one, a minute from the offer", () => {
    expect(deadline(job({ state: "running", runner: "r1" }), 5_000)).toBe(5_000);
    expect(deadline(job({ state: "accepted", runner: "r1", since: 1_000 }), 2_000)).toBe(
      1_000 + LEASE.start,
    );
    expect(deadline(job({ state: "done" }), 5_000)).toBeNull();
  });
  it("include the end of a pause, and of the wait for a preferred runner", () => {
    expect(nextDue([job({ notBefore: 900 })], new Map(), new Map(), 10)).toBe(900);
    expect(
      nextDue(
        [job({ prefer: "r1" })],
        new Map([["r1", runner("r1", { online: false, leaseUntil: 700 })]]),
        new Map(),
        10,
      ),
    ).toBe(700);
    expect(nextDue([job()], new Map(), new Map(), 10)).toBe(WAITS);
    expect(nextDue([job({ state: "offering" })], new Map(), new Map(), 10)).toBeNull();
  });
});

describe("matching", () => {
  it("asks for pool, repository, system and features", () => {
    expect(lacks(job({ features: ["kvm"] }), runner("a", { features: ["kvm"] }))).toEqual([]);
    expect(lacks(job(), runner("a", { pool: "untrusted" }))).toEqual(["a runner of pool trusted"]);
    expect(lacks(job(), runner("a", { repositories: [2] }))).toEqual([
      "a runner that may serve this repository",
    ]);
    expect(
      assign(
        [job()],
        [
          runner("a", { pool: "untrusted" }),
          runner("b", { repositories: [2] }),
          runner("c", { systems: ["aarch64-linux"] }),
        ],
        new Map(),
        new Map(),
        0,
      ),
    ).toEqual([]);
  });
  it("tells what the closest runner lacks", () => {
    expect(
      missingEverywhere(job({ features: ["a", "b"] }), [
        runner("x"),
        runner("y", { features: ["a"], online: false }),
        runner("z", { pool: "deploy" }),
      ]),
    ).toEqual(["feature b"]);
    expect(missingEverywhere(job(), [runner("x", { online: false })])).toBeNull();
  });
  it("takes repositories in turn, and the oldest of each", () => {
    const jobs = [1, 2, 3]
      .map((n) => job({ job: `1-${n}.0`, queuedAt: n }))
      .concat(job({ job: "2-1.0", repository: 2, queuedAt: 9 }));
    const order = (served: Map<number, number>) =>
      assign(jobs, [runner("a", { slots: 3 })], served, new Map(), 10).map((pair) => pair.job);
    expect(order(new Map())).toEqual(["1-1.0", "2-1.0", "1-2.0"]);
    expect(order(new Map([[1, 5]]))).toEqual(["2-1.0", "1-1.0", "1-2.0"]);
  });
  it("keeps a run's jobs for one system at its home while that is present, even without a free slot", () => {
    const wants = job({ prefer: "a", pin: "1-1 x" });
    const there = (change: Partial<FleetRunner>, at = 1, wanted = wants) =>
      assign([wanted], [runner("a", change), runner("b")], new Map(), new Map(), at);
    const at = (name: string) => [{ job: wants.job, runner: name, homes: ["1-1 x"] }];
    expect(there({})).toEqual(at("a"));
    expect(there({ used: 1 })).toEqual([]);
    expect(there({ online: false, leaseUntil: 50 })).toEqual([]);
    expect(there({ online: false, leaseUntil: 50 }, 51)).toEqual(at("b"));
    expect(there({ draining: true })).toEqual(at("b"));
    expect(there({ used: 1 }, 1, { ...wants, declines: 3 })).toEqual(at("b"));
  });
  it("moves the home as a whole: all that follows goes to the next one, though the first is back", () => {
    const jobs = [1, 2].map((n) =>
      job({ job: `1-1.${n}`, prefer: "a", pin: "1-1 x", queuedAt: n }),
    );
    const [first] = assign(
      jobs,
      [runner("a", { online: false, leaseUntil: 0 }), runner("b")],
      new Map(),
      new Map([["1-1 x", "a"]]),
      1,
    );
    expect(first).toEqual({ job: "1-1.1", runner: "b", homes: ["1-1 x"] });
    expect(
      assign(
        jobs.slice(1),
        [runner("a"), runner("b", { used: 1 })],
        new Map(),
        new Map([["1-1 x", "b"]]),
        2,
      ),
    ).toEqual([]);
  });
  it("keeps what the home cannot take together elsewhere", () => {
    const kvm = job({ features: ["kvm"], pin: "1-1 x" });
    const runners = [runner("a"), ...["b", "c"].map((name) => runner(name, { features: ["kvm"] }))];
    const homes = new Map([["1-1 x", "a"]]);
    const [found] = assign([kvm], runners, new Map(), homes, 1);
    expect(found).toMatchObject({ runner: "b", homes: ["1-1 x kvm"] });
    homes.set("1-1 x kvm", "c");
    expect(assign([kvm], runners, new Map(), homes, 1)).toMatchObject([{ runner: "c" }]);
    expect(assign([job({ pin: "1-1 x" })], runners, new Map(), homes, 1)).toMatchObject([
      { runner: "a", homes: [] },
    ]);
  });
  it("with an exchange hands jobs to whoever has the same, the evaluator first", () => {
    const jobs = [1, 2, 3].map((n) =>
      job({ job: `1-1.${n}`, prefer: "b", exchange: "e", pin: "1-1 x", queuedAt: n }),
    );
    const runners = [
      runner("a", { exchange: "e" }),
      runner("b", { exchange: "e" }),
      runner("c", { exchange: "other" }),
      runner("d"),
    ];
    const pairs = assign(jobs, runners, new Map(), new Map([["1-1 x", "d"]]), 1);
    expect(pairs).toEqual([
      { job: "1-1.1", runner: "b", homes: [] },
      { job: "1-1.2", runner: "a", homes: [] },
    ]);
    // Nobody with the exchange can take it: then it is one runner's alone.
    const kvm = job({ exchange: "e", pin: "1-1 x", features: ["kvm"] });
    expect(
      assign([kvm], [...runners, runner("f", { features: ["kvm"] })], new Map(), new Map(), 1),
    ).toMatchObject([{ runner: "f" }]);
  });
  it("never offers a suspect attempt's successor to its holder, nor anything to one that drains", () => {
    expect(
      assign(
        [job({ state: "suspect", runner: "a", attempt: 1 })],
        [runner("a")],
        new Map(),
        new Map(),
        1,
      ),
    ).toEqual([]);
    expect(assign([job()], [runner("a", { draining: true })], new Map(), new Map(), 1)).toEqual([]);
  });
});

describe("a job that nobody takes", () => {
  it("ends as no-runner a day after it was queued, however often it was declined meanwhile", () => {
    const waiting = job({ declines: 7, since: WAITS - 1 });
    expect(deadline(waiting, 0)).toBe(WAITS);
    expect(nextDue([waiting], new Map(), new Map(), 0)).toBe(WAITS);
    const { job: over, effects } = step(waiting, { kind: "expired" }, WAITS);
    expect(over.state).toBe("done");
    expect(effects).toMatchObject([
      {
        kind: "forward",
        verdict: { kind: "no-runner", missing: [expect.stringContaining("24 h")] },
      },
    ]);
  });

  it("has a day again after an attempt was lost: that was no waiting", () => {
    expect(deadline(job({ losses: 1, since: WAITS - 1 }), 0)).toBe(2 * WAITS - 1);
  });

  it("and whose runner went away for good ends as infrastructure", () => {
    const suspect = job({ state: "suspect", attempt: 1, runner: "r0", since: 5 });
    expect(deadline(suspect, 0)).toBe(5 + WAITS);
    expect(step(suspect, { kind: "expired" }, 5 + WAITS).effects).toMatchObject([
      { kind: "forward", verdict: { kind: "infrastructure" } },
    ]);
  });

  it("ends at once when the last runner that could is gone, unless one has it", () => {
    const event: JobEvent = { kind: "impossible", missing: ["system x"] };
    expect(step(job(), event, 1).effects).toMatchObject([
      { kind: "forward", verdict: { kind: "no-runner", missing: ["system x"] } },
    ]);
    const running = job({ state: "running", attempt: 1, runner: "r0" });
    expect(step(running, event, 1)).toEqual({ job: running, effects: [] });
  });
});

describe("whoever finishes a job must own it", () => {
  const running = job({ state: "running", attempt: 2, runner: "r0" });
  const verdict = { kind: "succeeded", reused: false } as const;
  it.each([
    ["another runner", { attempt: 2, runner: "r1" }],
    ["an earlier attempt of the same runner", { attempt: 1, runner: "r0" }],
    ["an attempt that was never offered", { attempt: 3, runner: "r0" }],
  ])("%s changes nothing, and is told to forget", (_name, said) => {
    for (const event of [
      { kind: "finished", ...said, verdict, digest: "d" },
      { kind: "held", ...said },
      { kind: "accept", ...said },
    ] satisfies JobEvent[])
      expect(step(running, event, 1)).toEqual({
        job: running,
        effects: [{ kind: "forget", ...said, reason: expect.any(String) }],
      });
    for (const event of [
      { kind: "decline", ...said, reason: "no" },
      { kind: "absent", runner: "r1" },
    ] satisfies JobEvent[])
      expect(step(running, event, 1).job).toBe(running);
  });
});

describe("two hundred waiting jobs", () => {
  const jobs = Array.from({ length: 200 }, (_, index) =>
    job({ job: `${1 + (index % 4)}-${index + 1}.0`, repository: 1 + (index % 4), queuedAt: index }),
  );
  it("fill the slots that are free and no more, each repository its part", () => {
    const runners = [
      runner("a", { slots: 6, used: 2 }),
      runner("b", { slots: 4 }),
      runner("c", { slots: 2, used: 2 }),
    ];
    const given = assign(jobs, runners, new Map(), new Map(), 1_000);
    expect(given).toHaveLength(8);
    expect(given.filter((each) => each.runner === "a")).toHaveLength(4);
    expect(given.filter((each) => each.runner === "c")).toEqual([]);
    expect(
      [1, 2, 3, 4].map((id) => given.filter((each) => each.job.startsWith(`${id}-`)).length),
    ).toEqual([2, 2, 2, 2]);
  });
});
