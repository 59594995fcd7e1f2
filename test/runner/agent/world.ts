import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, type AgentOptions } from "../../../src/runner/agent/agent.ts";
import { type Clock, systemClock } from "../../../src/runner/agent/clock.ts";
import type { RunJob } from "../../../src/runner/agent/job.ts";
import { plainIsolation } from "../../../src/runner/isolation/isolation.ts";
import type { Specification } from "../../../src/protocol/specification.ts";
import { ControlPlane } from "./control-plane.ts";

/** Long waits of the agent, such as those between connections, pass at once. */
export const quickClock: Clock = {
  ...systemClock,
  after: (ms, callback) => systemClock.after(Math.min(ms, ms >= 10_000 ? ms : 20), callback),
  random: () => 0.5,
};

export type World = {
  plane: ControlPlane;
  directory: string;
  said: string[];
  start(runJob: RunJob, change?: Partial<AgentOptions>): Promise<Agent>;
  stop(): Promise<void>;
};

export async function world(): Promise<World> {
  const plane = await ControlPlane.start();
  const directory = await mkdtemp(join(tmpdir(), "snowcat-agent-"));
  const { privateKey } = generateKeyPairSync("ed25519");
  const agents: Agent[] = [];
  const said: string[] = [];
  return {
    plane,
    directory,
    said,
    async start(runJob, change = {}) {
      const agent = await Agent.start({
        url: plane.url,
        directory,
        key: privateKey,
        version: "test",
        slots: 4,
        systems: ["x86_64-linux"],
        features: [],
        minimumFreeBytes: 0,
        identity: {
          runner: "r1",
          host: "github.com",
          account: 9,
          pool: "trusted",
          class: "big",
          repositories: [11],
          specificationKeys: [plane.publicKey],
        },
        secrets: [],
        isolation: plainIsolation({}),
        runJob,
        clock: quickClock,
        say: (line) => said.push(line),
        ...change,
      });
      agents.push(agent);
      return agent;
    },
    async stop() {
      await Promise.all(agents.map((agent) => agent.stop()));
      await plane.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function specification(job: string, change: Partial<Specification> = {}): Specification {
  const now = Date.now();
  return {
    protocol: 1,
    host: "github.com",
    account: 9,
    repository: { id: 11, owner: "o", name: "r", private: false },
    run: job.split(".")[0] ?? "",
    job,
    attempt: 1,
    runner: "r1",
    pool: "trusted",
    policy: "a".repeat(64),
    issuedAt: now,
    expiresAt: now + 60_000,
    work: {
      kind: "evaluate",
      source: {
        cloneUrl: "https://github.com/o/r.git",
        ref: "refs/heads/main",
        sha: "1".repeat(40),
        tree: "2".repeat(40),
        revision: false,
      },
      selections: [{ kind: "flake", directory: "", attributes: ["packages"], systems: null }],
      limits: { evaluationSeconds: 60, evaluationBytes: 1e9, buildSeconds: 60, silentSeconds: 60 },
    },
    ...change,
  };
}
