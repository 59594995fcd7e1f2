import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { supervise } from "../../../src/runner/isolation/index.ts";
import type { RunningProcess } from "../../../src/runner/process/index.ts";
import { inheritedEnvironment, start } from "../../../src/runner/process/index.ts";
import {
  descendants,
  describeIsolated,
  hostProcesses,
  scratch,
  stillThere,
  until,
} from "./support.ts";

describeIsolated("the supervisor", () => {
  let directory: string;
  let child: RunningProcess;
  beforeEach(async () => {
    directory = await scratch();
    child = start(
      [
        process.execPath,
        join(import.meta.dirname, "fixtures/supervisor.ts"),
        join(directory, "state"),
      ],
      {
        env: { ...inheritedEnvironment(["PATH"]), SECRET_OF_ROOT: "1" },
      },
    );
  });
  afterEach(async () => {
    child.terminate();
    await child.ended;
    await rm(directory, { recursive: true });
  });

  async function agentSays(): Promise<Record<string, unknown>> {
    if (!child.stdout) throw new Error("no stdout");
    for await (const line of createInterface({ input: child.stdout }))
      return JSON.parse(line) as Record<string, unknown>;
    throw new Error("the agent said nothing");
  }

  test("starts the agent without any privilege, and the agent starts jobs all the same", async () => {
    const said = await agentSays();
    expect(said).toMatchObject({
      uid: 31_000,
      groups: [31_000],
      capabilities: "0000000000000000",
      preflight: { ok: true },
      readsJob: false,
      environment: ["GIVEN", "HOME", "PATH", "SNOWCAT_ISOLATION"],
    });
    expect(said["jobUid"]).toBeGreaterThan(31_000);
  });

  test("passes a stop on to the agent, and its exit code back", async () => {
    await agentSays();
    let text = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    if (child.pid !== undefined) process.kill(child.pid, "SIGTERM");
    await child.ended;
    expect(text).toContain('{"kind":"agent-exited","exitCode":42}');
  });

  test("killed with SIGKILL it leaves no daemon, forwarder, proxy, agent, job or builder", async () => {
    await agentSays();
    const root = child.pid ?? 0;
    const endless = (one: { command: string }): boolean =>
      one.command.includes("endless-builder") && one.command.startsWith("sh\0");
    await until("the builder runs", async () => (await descendants(root)).some(endless));
    const seen = await descendants(root);
    for (const part of [
      "nix-daemon",
      "isolation-egress",
      "sandbox-init",
      "agent.ts",
      "bwrap",
      "sleep",
    ]) {
      expect(
        seen.some((one) => one.command.includes(part)),
        part,
      ).toBe(true);
    }
    process.kill(root, "SIGKILL");
    await until("everything has gone", async () => (await stillThere(seen)).length === 0, 5_000);
    // Builders that daemonised would not be descendants any more: none of this store is left either.
    expect((await hostProcesses()).filter((one) => one.command.includes(directory))).toEqual([]);
    // What only the next start can take away: the cgroups of the runs that were killed.
    await (await supervise({ stateDirectory: join(directory, "state"), egress: [] })).close();
  });

  test("refuses a state directory that another supervisor holds, and takes it over from a killed one", async () => {
    await agentSays();
    const config = { stateDirectory: join(directory, "state"), egress: [] };
    await expect(supervise(config)).rejects.toThrow("another runner uses");
    const seen = await descendants(child.pid ?? 0);
    process.kill(child.pid ?? 0, "SIGKILL");
    await until("everything has gone", async () => (await stillThere(seen)).length === 0, 5_000);
    const next = await supervise(config);
    await next.close();
  });

  test("says what is wrong instead of starting half", async () => {
    await expect(
      supervise({ stateDirectory: join(directory, "other"), uidBase: 65_533 }),
    ).rejects.toThrow(/65534 .*belongs to "nobody"/);
    await expect(
      supervise({ stateDirectory: join(directory, "other"), nix: { sandbox: "false" } }),
    ).rejects.toThrow("fixed by isolation");
    await expect(supervise({ stateDirectory: `/tmp/${"x".repeat(90)}` })).rejects.toThrow(
      "too long for a Unix socket",
    );
    await rm(`/tmp/${"x".repeat(90)}`, { recursive: true, force: true });
    await expect(supervise({ stateDirectory: "relative" })).rejects.toThrow("absolute");
    const closed = join(directory, "closed");
    await mkdir(closed, { mode: 0o700 });
    await expect(supervise({ stateDirectory: join(closed, "state") })).rejects.toThrow(
      `only its owner gets into ${closed} (mode 700)`,
    );
  });
});
