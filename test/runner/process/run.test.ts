import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import {
  describeEnd,
  inheritedEnvironment,
  run,
  start,
  succeeded,
} from "../../../src/runner/process/index.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const env = inheritedEnvironment(["PATH"]);

describe("run", () => {
  test("gives success and failure the same shape", async () => {
    const good = await run(["sh", "-c", "cat; echo problem >&2"], { input: "hello", env });
    expect(good).toMatchObject({
      exitCode: 0,
      signal: null,
      timedOut: false,
      cancelled: false,
      startFailure: null,
      truncated: false,
    });
    expect([text(good.stdout), text(good.stderr), succeeded(good)]).toEqual([
      "hello",
      "problem\n",
      true,
    ]);
    const bad = await run(["sh", "-c", "exit 3"], { env });
    expect(Object.keys(bad)).toEqual(Object.keys(good));
    expect([bad.exitCode, succeeded(bad)]).toEqual([3, false]);
    const killed = await run(["sh", "-c", "kill -KILL $$"], { env });
    expect(killed).toMatchObject({ exitCode: null, signal: "SIGKILL", cancelled: false });
  });

  test("keeps bytes as they are", async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 31) % 256);
    const result = await run(["cat"], { input: bytes, env });
    expect(Buffer.compare(result.stdout, bytes)).toBe(0);
  });

  test("reports a program that is missing, without throwing", async () => {
    const result = await run(["no-such-program-anywhere"], { env });
    expect(result).toMatchObject({ exitCode: null, startFailure: { code: "ENOENT" } });
    expect(describeEnd(result)).toContain('no program "no-such-program-anywhere"');
    const folder = await run(["true"], { env, cwd: "/no/such/folder" });
    expect(folder.startFailure?.code).toBe("ENOENT");
  });

  test("inherits no variable and no shell syntax", async () => {
    process.env["SNOWCAT_TEST_SECRET"] = "leak";
    try {
      const result = await run(["/usr/bin/env"], { env: { ONLY: "this" } });
      expect(text(result.stdout)).toBe("ONLY=this\n");
      expect(text((await run(["/usr/bin/env"])).stdout)).toBe("");
    } finally {
      delete process.env["SNOWCAT_TEST_SECRET"];
    }
    const literal = await run(["printf", "%s", "$(id); `id` && *"], { env });
    expect(text(literal.stdout)).toBe("$(id); `id` && *");
  });

  test("keeps the first bytes up to the limit, and shows all of them to the callback", async () => {
    let seen = 0;
    const result = await run(["sh", "-c", "head -c 500000 /dev/zero"], {
      env,
      maxOutput: 1000,
      onStdout: (chunk) => (seen += chunk.length),
    });
    expect(result).toMatchObject({ truncated: true, exitCode: 0 });
    expect(result.stdout).toHaveLength(1000);
    expect(seen).toBe(500_000);
  });

  test("cancels with SIGTERM, the whole group", async () => {
    const stop = new AbortController();
    let grandchild = 0;
    const result = await run(["sh", "-c", "sleep 1000 & echo $!; wait"], {
      env,
      signal: stop.signal,
      onStdout: (chunk) => {
        grandchild = Number(text(chunk));
        stop.abort();
      },
    });
    expect(result).toMatchObject({
      exitCode: null,
      signal: "SIGTERM",
      cancelled: true,
      timedOut: false,
    });
    expect(grandchild).toBeGreaterThan(1);
    const state = await readFile(`/proc/${grandchild}/stat`, "utf8").catch(() => "gone");
    expect(state === "gone" || / Z /.test(state)).toBe(true);
  });

  test("kills what ignores SIGTERM, after the grace", async () => {
    const result = await run(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], {
      env,
      timeoutMs: 50,
      graceMs: 200,
    });
    expect(result).toMatchObject({
      exitCode: null,
      signal: "SIGKILL",
      timedOut: true,
      cancelled: false,
    });
    expect(result.durationMs).toBeGreaterThanOrEqual(200);
  });

  test("ends at once when it was cancelled before", async () => {
    const result = await run(["sleep", "1000"], { env, signal: AbortSignal.abort() });
    expect(result).toMatchObject({ cancelled: true, signal: "SIGTERM" });
  });

  test("does not fail when the program reads none of its input", async () => {
    const result = await run(["true"], { env, input: new Uint8Array(1_000_000) });
    expect(result.exitCode).toBe(0);
  });
});

describe("start", () => {
  test("streams both ways while the process runs", async () => {
    const child = start(["cat"], { env });
    const answered = new Promise<string>((resolve) =>
      child.stdout?.once("data", (chunk: Uint8Array) => resolve(text(chunk))),
    );
    child.stdin?.write("ping");
    expect(await answered).toBe("ping");
    child.stdin?.end();
    expect(await child.ended).toMatchObject({ exitCode: 0 });
  });
});
