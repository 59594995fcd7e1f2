import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FRAME, frameReader } from "../../../src/runner/isolation/launcher/frames.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { conversation, describeIsolated, err, isolationForTest, out } from "./support.ts";

describeIsolated("the root helper", () => {
  let place: Awaited<ReturnType<typeof isolationForTest>>;
  let isolation: Isolation;
  beforeAll(async () => {
    place = await isolationForTest({ jobUsers: 3 });
    isolation = place.isolation;
  });
  afterAll(() => place.close());

  /** Sends bytes as the agent could, and returns the refusal. */
  async function refusal(line: string): Promise<{ reason: string }> {
    const socket = connect(join(place.directory, "state/run/launcher/socket"));
    const answered = Promise.withResolvers<{ reason: string }>();
    const read = frameReader((type, payload) => {
      if (type === FRAME.refused)
        answered.resolve(JSON.parse(Buffer.from(payload).toString()) as { reason: string });
      else answered.reject(new Error(`frame ${type}`));
    });
    socket.on("data", read);
    socket.once("end", () => answered.reject(new Error("closed without an answer")));
    socket.write(`${line}\n`);
    try {
      return await answered.promise;
    } finally {
      socket.destroy();
      await once(socket, "close");
    }
  }

  test("gives a job no socket but a relay of the agent's", async () => {
    const ways = join(place.directory, "state/run/ways");
    for (const socket of [
      "/run/docker.sock",
      join(place.directory, "state/run/launcher/socket"),
      `${ways}/../launcher/socket`,
      `${ways}/none/socket`,
    ]) {
      const request = { kind: "job", label: "x", ways: { reach: "127.0.0.1:1", socket } };
      expect((await refusal(JSON.stringify(request))).reason, socket).toMatch(
        /is not in|does not exist/u,
      );
    }
  });

  test("binds nothing but the job's own folders and the operator's list", async () => {
    const job = await isolation.openJob("binds");
    const other = await isolation.openJob("other");
    try {
      await job.run({
        argv: ["/bin/sh", "-c", "mkdir sub; echo hello > sub/file; ln -s / root; ln -s sub alias"],
      });
      const bind = (source: string, target = "/src") =>
        job.run({
          argv: ["cat", `${target}/file`],
          cwd: "/",
          binds: [{ source, target, access: "read-only" }],
        });
      expect(out(await bind(join(job.outside, "sub")))).toBe("hello\n");
      for (const source of [
        "/",
        "/etc",
        "/root",
        place.directory,
        other.outside,
        `${job.outside}/../${other.id}`,
        `${job.outside}/root`,
        `${job.outside}/root/etc`,
        `${job.outside}/alias`,
        `${job.outside}/missing`,
      ]) {
        const result = await bind(source);
        expect(result.startFailure, source).toMatchObject({ code: "REFUSED" });
        expect(out(result)).toBe("");
      }
      expect((await bind(join(job.outside, "sub"), "/usr/bin")).startFailure?.message).toContain(
        "must lie in",
      );
    } finally {
      await Promise.all([job.dispose(), other.dispose()]);
    }
  });

  test("lets no program run beside one that binds folders of the job", async () => {
    const job = await isolation.openJob("race");
    try {
      await job.run({ argv: ["mkdir", "sub"] });
      const started = Promise.withResolvers<void>();
      const stop = new AbortController();
      const running = job.run({
        argv: ["/bin/sh", "-c", "echo up; exec sleep 1000"],
        signal: stop.signal,
        onStdout: () => started.resolve(),
      });
      await started.promise;
      const beside = await job.run({
        argv: ["true"],
        binds: [{ source: join(job.outside, "sub"), target: "/src", access: "read-only" }],
      });
      expect(beside.startFailure?.message).toContain("the only one");
      stop.abort();
      await running;
    } finally {
      await job.dispose();
    }
  });

  test.each([
    ["what is not JSON", "hello", "JSON"],
    ["an unknown kind", '{"kind":"shell","argv":["id"]}', "not valid"],
    ["a key it does not know", '{"kind":"job","label":"x","uid":0}', "not valid"],
    [
      "a job nobody opened",
      JSON.stringify({
        kind: "run",
        job: "nobody",
        argv: ["id"],
        cwd: "/",
        env: {},
        network: "none",
        jobDirectory: "absent",
        binds: [],
        files: [],
        limits: {},
        stdin: false,
        graceMs: 0,
      }),
      "no open job",
    ],
    [
      "a NUL in an argument, which would end a mount option early",
      JSON.stringify({
        kind: "run",
        job: "nobody",
        argv: ["id"],
        cwd: "/\0--bind",
        env: {},
        network: "none",
        jobDirectory: "absent",
        binds: [],
        files: [],
        limits: {},
        stdin: false,
        graceMs: 0,
      }),
      "not valid",
    ],
  ])("refuses %s", async (_what, line, reason) => {
    expect((await refusal(line)).reason).toContain(reason);
  });

  test("has only as many jobs as users, and gives a user back", async () => {
    const first = await isolation.openJob("first");
    const rest = await Promise.all([isolation.openJob("second"), isolation.openJob("third")]);
    await expect(isolation.openJob("fourth")).rejects.toThrow("every job user is taken");
    await first.dispose();
    rest.push(await isolation.openJob("fourth"));
    await Promise.all(rest.map((job) => job.dispose()));
  });

  test("converses with a program, and does not wait for more to say when it has ended", async () => {
    const job = await isolation.openJob("conversation");
    const conversed = await conversation(job);
    expect([conversed.exitCode, out(conversed)]).toEqual([3, "<first>\n<end>\n"]);
    await job.dispose();
  });

  test("passes input, output, environment, secrets and the exit code, byte by byte", async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 256));
    const copied = await isolation.run({ argv: ["cat"], input: bytes });
    expect(Buffer.compare(copied.stdout, bytes)).toBe(0);
    const secret = await isolation.run({
      argv: [
        "/bin/sh",
        "-c",
        'stat -c %a /run/secrets/token; cat /run/secrets/token; tr "\\0" "\\n" < /proc/self/environ; for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; done; echo oops >&2; exit 7',
      ],
      files: [{ name: "token", content: "s3cr3t-token" }],
      env: { NAME: "value" },
    });
    expect(secret.exitCode).toBe(7);
    expect(err(secret)).toContain("oops");
    expect(out(secret)).toMatch(/^400\n/);
    // Once, from the file: neither environment nor any argv holds it.
    expect(out(secret).split("s3cr3t-token")).toHaveLength(2);
    expect(out(secret)).toContain("NAME=value");
  });

  test("says that a program is missing, and that a folder is", async () => {
    const program = await isolation.run({ argv: ["/no/such/program"] });
    expect(program.startFailure).toMatchObject({
      code: "SANDBOX",
      message: expect.stringContaining("/no/such/program") as unknown,
    });
    const folder = await isolation.run({ argv: ["true"], cwd: "/no/such/folder" });
    expect(folder.startFailure).toMatchObject({
      code: "SANDBOX",
      message: expect.stringContaining("/no/such/folder") as unknown,
    });
  });

  test("ends a run by SIGTERM first, by SIGKILL after the grace, with all that it started", async () => {
    const polite = new AbortController();
    const first = await isolation.run({
      argv: [
        "/bin/sh",
        "-c",
        'trap "echo bye; exit 5" TERM; echo up; while :; do sleep 0.05; done',
      ],
      signal: polite.signal,
      onStdout: () => polite.abort(),
    });
    expect(first).toMatchObject({ cancelled: true, exitCode: 5 });
    expect(out(first)).toBe("up\nbye\n");

    const stubborn = new AbortController();
    const second = await isolation.run({
      argv: [
        "/bin/sh",
        "-c",
        'trap "" TERM; setsid sleep 1000 & echo up; while :; do sleep 0.05; done',
      ],
      signal: stubborn.signal,
      graceMs: 300,
      onStdout: () => stubborn.abort(),
    });
    expect(second.cancelled).toBe(true);
    expect(second.durationMs).toBeGreaterThanOrEqual(300);
    const late = await isolation.run({ argv: ["sleep", "1000"], timeoutMs: 200 });
    expect(late).toMatchObject({ timedOut: true, cancelled: false });
  });

  test("holds memory and processes to their limits, and says how", async () => {
    const eater = await isolation.run({
      argv: [
        "/run/snowcat/node",
        "--eval",
        "const kept = []; for (let i = 0; i < 64; i += 1) kept.push(Buffer.alloc(16 << 20, 1)); console.log('survived', kept.length)",
      ],
      limits: { memoryBytes: 256 << 20, processes: 64 },
    });
    expect(out(eater)).not.toContain("survived");
    expect(eater.exitCode).not.toBe(0);
    if (eater.enforcement.memory === "cgroup") {
      expect(eater.outOfMemory).toBe(true);
      // What the kernel counted, not the limit: the same program with less to do needs less.
      expect(eater.peakBytes).toBeGreaterThan(200 << 20);
      const small = await isolation.run({
        argv: ["/bin/sh", "-c", "true"],
        limits: { memoryBytes: 256 << 20 },
      });
      expect(small.peakBytes).toBeGreaterThan(0);
      expect(small.peakBytes).toBeLessThan(100 << 20);
      const unlimited = await isolation.run({ argv: ["/bin/sh", "-c", "true"] });
      expect(unlimited.peakBytes).toBeNull();
    } else expect(eater.enforcement.memory).toBe("address-space");
    const bomb = await isolation.run({
      argv: [
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i+1)); done; echo all started",
      ],
      limits: { processes: 20 },
      timeoutMs: 20_000,
    });
    expect(err(bomb)).toMatch(/fork/i);
    expect(out(bomb)).not.toContain("all started");
    expect(bomb.outOfMemory).toBe(false);
  });
});
