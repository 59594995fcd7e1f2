import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { IsolatedJob } from "../../../src/runner/isolation/index.ts";
import { type KeyAgent, startKeyAgent } from "../../../src/runner/deploy/methods/way.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import { policyJson } from "../deploy/support.ts";
import { describeIsolated, err, isolationForTest, out } from "./support.ts";

const execute = promisify(execFile);
const ENV = { PATH: process.env.PATH ?? "" };

describeIsolated("a job with ways of its own", () => {
  let place: Awaited<ReturnType<typeof isolationForTest>>;
  let directory: string;
  let machine: Server;
  let other: Server;
  let keys: KeyAgent;
  let job: IsolatedJob;

  const portOf = (server: Server) => (server.address() as AddressInfo).port;
  const listening = async (word: string): Promise<Server> => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(word);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server;
  };
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "ways-"));
    machine = await listening("the machine\n");
    other = await listening("somebody else\n");
    const identityFile = join(directory, "key");
    await execute("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", identityFile]);
    const { web } = DeployPolicy.parse(policyJson()).machines;
    if (web === undefined) throw new Error("the policy has no web");
    keys = await startKeyAgent({ ...web, identityFile }, ENV);
    place = await isolationForTest({ egress: [] });
    job = await place.isolation.openJob("tool", {
      reach: `127.0.0.1:${portOf(machine)}`,
      socket: keys.socket,
    });
  });
  afterAll(async () => {
    await job?.dispose();
    await place?.close();
    await keys?.close();
    machine?.close();
    other?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const connects = async (from: IsolatedJob, port: number) => {
    const [program, ...args] = from.connect ?? [];
    return await from.run({
      argv: [program ?? "", ...args, "127.0.0.1", String(port)],
      network: "proxy",
      input: "",
    });
  };

  test("reaches its machine, and nobody else", async () => {
    const reached = await connects(job, portOf(machine));
    expect(out(reached), err(reached)).toBe("the machine\n");
    const refused = await connects(job, portOf(other));
    expect(refused.exitCode).toBe(1);
    expect(err(refused)).toContain("is not in the runner's egress list");
  });

  test("leaves other jobs where they were", async () => {
    const neighbour = await place.isolation.openJob("neighbour");
    try {
      expect((await connects(neighbour, portOf(machine))).exitCode).toBe(1);
      expect(neighbour.agentSocket).toBeNull();
    } finally {
      await neighbour.dispose();
    }
  });

  test("asks the agent outside for its key, and cannot read it", async () => {
    const listed = await job.run({
      argv: ["ssh-add", "-L"],
      env: { SSH_AUTH_SOCK: job.agentSocket ?? "" },
    });
    expect(out(listed), err(listed)).toBe(keys.publicKey);
    const read = await job.run({ argv: ["cat", join(directory, "key")] });
    expect(read.exitCode).not.toBe(0);
  });

  test("cannot have the key sign for another host than the policy's", async () => {
    // What nobody has bound to a session with that host is refused, whatever is to be signed.
    const signed = await job.run({
      argv: [
        "sh",
        "-c",
        "echo x > x && ssh-add -L > key.pub && ssh-keygen -Y sign -n any -f key.pub x",
      ],
      env: { SSH_AUTH_SOCK: job.agentSocket ?? "" },
    });
    expect(signed.exitCode).not.toBe(0);
    expect(err(signed)).toContain("agent refused operation");
  });
});
