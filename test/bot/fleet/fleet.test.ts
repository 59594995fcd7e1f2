import { afterEach, describe, expect, it, vi } from "vitest";
import { verify } from "../../../src/bot/objects/fleet/attempt-token.ts";
import { Specification } from "../../../src/protocol/specification.ts";
import { enrolled, header, runnerKey, TestRunner, upgrade } from "./runner.ts";
import { bindings, newFleet, newJob, spyRuns } from "./world.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const digest = "d".repeat(64);

describe("enrolment", () => {
  it("spends a code once, for what the code says", async () => {
    const { account, fleet } = newFleet();
    const { code } = await fleet.mintCode({
      account,
      pool: "untrusted",
      class: "small",
      repositories: [3],
      validSeconds: 60,
    });
    const { publicKey } = await runnerKey();
    const first = await fleet.enrol({ code, name: "a", publicKey });
    expect(first).toMatchObject({ account, pool: "untrusted", class: "small", repositories: [3] });
    expect(await fleet.enrol({ code, name: "b", publicKey })).toHaveProperty("refused");
  });

  it("refuses expired, forged and foreign codes", async () => {
    const { account, fleet } = newFleet();
    const { publicKey } = await runnerKey();
    const minted = await fleet.mintCode({
      account,
      pool: "trusted",
      class: "small",
      repositories: null,
      validSeconds: 1,
    });
    vi.spyOn(Date, "now").mockReturnValue(minted.expiresAt);
    expect(await fleet.enrol({ code: minted.code, name: "a", publicKey })).toHaveProperty(
      "refused",
    );
    vi.restoreAllMocks();
    const other = newFleet();
    const foreign = await other.fleet.mintCode({
      account: other.account,
      pool: "trusted",
      class: "small",
      repositories: null,
      validSeconds: 60,
    });
    expect(await fleet.enrol({ code: foreign.code, name: "a", publicKey })).toHaveProperty(
      "refused",
    );
    expect(
      await other.fleet.enrol({
        code: `${foreign.code.slice(0, -1)}${foreign.code.endsWith("A") ? "B" : "A"}`,
        name: "a",
        publicKey,
      }),
    ).toHaveProperty("refused");
    expect(
      await other.fleet.enrol({ code: foreign.code, name: "a", publicKey: "c2hvcnQ=" }),
    ).toHaveProperty("refused");
  });
});

describe("the control socket", () => {
  it("is for enrolled keys only, with a clock that agrees, once for each nonce", async () => {
    const { account, fleet } = newFleet();
    const runner = await enrolled(fleet, account);
    expect((await upgrade(fleet)).status).toBe(401);
    expect((await upgrade(fleet, "Bearer x")).status).toBe(401);
    const stranger = { ...runner, key: (await runnerKey()).key };
    expect((await upgrade(fleet, await header(stranger))).status).toBe(403);
    expect((await upgrade(fleet, await header(runner, { runner: "nobody" }))).status).toBe(403);
    expect(
      (await upgrade(fleet, await header(runner, { time: Date.now() - 130_000 }))).status,
    ).toBe(403);
    const good = await header(runner);
    const opened = await upgrade(fleet, good);
    expect(opened.status).toBe(101);
    opened.webSocket?.accept();
    opened.webSocket?.close(1000);
    expect((await upgrade(fleet, good)).status).toBe(403);
  });

  it("wants a hello first, and closes on what is no frame", async () => {
    const { account, fleet } = newFleet();
    const runner = await enrolled(fleet, account);
    const early = await TestRunner.connect(fleet, runner);
    early.tell({ kind: "accept" }, { job: "1-1.0", attempt: 1 });
    expect(await early.closed).toBe(1008);
    const babbling = await TestRunner.connect(fleet, runner);
    babbling.raw("{}");
    expect(await babbling.closed).toBe(1008);
  });
});

describe("a job", () => {
  it("is offered, accepted, started and finished; the Run hears each once", async () => {
    const runs = spyRuns();
    const { account, fleet } = newFleet();
    const runner = await enrolled(fleet, account);
    const socket = await TestRunner.connect(fleet, runner);
    socket.hello();
    await socket.next((frame) => frame.body.kind === "welcome");
    const job = newJob();
    expect(await fleet.enqueue(account, job)).toEqual({ outcome: "queued" });
    expect(await fleet.enqueue(account, job)).toEqual({ outcome: "known" });
    const offer = await socket.offer(job.job, 1);
    const specification = Specification.parse(JSON.parse(offer.specification));
    expect(specification).toMatchObject({
      job: job.job,
      attempt: 1,
      runner: runner.reply.runner,
      account,
    });
    const key = await crypto.subtle.importKey(
      "raw",
      Buffer.from(runner.reply.specificationKeys[0] ?? "", "base64"),
      "Ed25519",
      false,
      ["verify"],
    );
    expect(
      await crypto.subtle.verify(
        "Ed25519",
        key,
        Buffer.from(offer.signature, "base64"),
        new TextEncoder().encode(offer.specification),
      ),
    ).toBe(true);
    expect(
      verify(bindings.ATTEMPT_KEY, offer.token, bindings.GITHUB_HOST, Date.now()),
    ).toMatchObject({ job: job.job, attempt: 1, installation: 5, repository: 11 });
    expect(await fleet.holds(job.job, 1)).toBe(true);
    const about = { job: job.job, attempt: 1 };
    socket.tell({ kind: "accept" }, about);
    socket.tell({ kind: "started" }, about);
    socket.tell({ kind: "finished", verdict: { kind: "succeeded", reused: false }, digest }, about);
    await socket.next((frame) => frame.ack >= 3);
    // The answer was lost: it is said again, and has no second effect.
    socket.say(
      { kind: "finished", verdict: { kind: "succeeded", reused: false }, digest },
      about,
      3,
    );
    await runs.waitFor(1, "finished");
    expect(runs.told.map(({ call }) => call)).toEqual(["offered", "started", "finished"]);
    expect(runs.told.at(-1)).toMatchObject({ attempt: 1, digest, verdict: { kind: "succeeded" } });
    expect(await fleet.holds(job.job, 1)).toBe(false);
  });

  it("that no class can take is answered with what is missing", async () => {
    const { account, fleet } = newFleet();
    expect(await fleet.enqueue(account, newJob())).toEqual({
      outcome: "no-runner",
      missing: ["a runner of pool trusted"],
    });
    const runner = await enrolled(fleet, account);
    const socket = await TestRunner.connect(fleet, runner);
    socket.hello({ systems: ["x86_64-linux"], features: ["kvm"] });
    await socket.next((frame) => frame.body.kind === "welcome");
    socket.close();
    const job = newJob({ needs: { system: "aarch64-darwin", features: ["kvm", "quantum"] } });
    expect(await fleet.enqueue(account, job)).toEqual({
      outcome: "no-runner",
      missing: ["system aarch64-darwin", "feature quantum"],
    });
    expect(await fleet.classes("trusted", 11)).toMatchObject([
      { class: "big", systems: ["x86_64-linux"], features: ["kvm"] },
    ]);
  });

  it("is offered to the next runner when the first declines", async () => {
    const runs = spyRuns();
    const { account, fleet } = newFleet();
    const [first, second] = [await enrolled(fleet, account), await enrolled(fleet, account)];
    const [a, b] = [
      await TestRunner.connect(fleet, first),
      await TestRunner.connect(fleet, second),
    ];
    a.hello();
    b.hello();
    await Promise.all([a, b].map((each) => each.next((frame) => frame.body.kind === "welcome")));
    const job = newJob({ prefer: null });
    await fleet.enqueue(account, job);
    const taker = await Promise.race([
      a.offer(job.job, 1).then(() => a),
      b.offer(job.job, 1).then(() => b),
    ]);
    const other = taker === a ? b : a;
    taker.tell({ kind: "decline", reason: "disk" }, { job: job.job, attempt: 1 });
    await other.offer(job.job, 2);
    expect(
      runs.told.filter(({ call }) => call === "offered").map(({ attempt }) => attempt),
    ).toEqual([1, 2]);
    // What attempt 1 says now is stale.
    taker.tell(
      { kind: "finished", verdict: { kind: "succeeded", reused: false }, digest },
      { job: job.job, attempt: 1 },
    );
    await taker.next((frame) => frame.body.kind === "forget" && frame.attempt === 1);
    expect(runs.told.some(({ call }) => call === "finished")).toBe(false);
  });

  it("is cancelled at its runner, again after a reconnection", async () => {
    const runs = spyRuns();
    const { account, fleet } = newFleet();
    const runner = await enrolled(fleet, account);
    const stream = crypto.randomUUID();
    const socket = await TestRunner.connect(fleet, runner);
    socket.hello({ stream });
    const job = newJob();
    await fleet.enqueue(account, job);
    await socket.offer(job.job, 1);
    const about = { job: job.job, attempt: 1 };
    socket.tell({ kind: "accept" }, about);
    socket.tell({ kind: "started" }, about);
    await socket.next((frame) => frame.ack >= 2);
    await fleet.cancel(job.job, "a person");
    await socket.next((frame) => frame.body.kind === "cancel" && frame.job === job.job);
    const again = await TestRunner.connect(fleet, runner);
    again.hello({ stream, running: [about] });
    await again.next((frame) => frame.body.kind === "cancel" && frame.job === job.job);
    again.seq = 2;
    again.tell({ kind: "finished", verdict: { kind: "cancelled", by: "a person" }, digest }, about);
    await runs.waitFor(1, "finished");
    expect(runs.told.at(-1)).toMatchObject({ verdict: { kind: "cancelled" } });
  });

  it("is told to the Run until the Run has answered", async () => {
    const runs = spyRuns();
    runs.fail.offered = 1;
    runs.fail.finished = 1;
    const { account, fleet } = newFleet();
    const socket = await TestRunner.connect(fleet, await enrolled(fleet, account));
    socket.hello();
    const job = newJob();
    await fleet.enqueue(account, job);
    // The alarm puts the offer out after its pause.
    await socket.offer(job.job, 1);
    socket.tell({ kind: "accept" }, { job: job.job, attempt: 1 });
    socket.tell(
      { kind: "finished", verdict: { kind: "succeeded", reused: false }, digest },
      { job: job.job, attempt: 1 },
    );
    await runs.waitFor(1, "finished");
    expect(runs.told.filter(({ call }) => call === "finished")).toHaveLength(1);
  });
});
