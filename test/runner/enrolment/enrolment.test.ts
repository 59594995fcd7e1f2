import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Agent } from "../../../src/runner/agent/agent.ts";
import { loadIdentity } from "../../../src/runner/enrolment/identity.ts";
import { plainIsolation } from "../../../src/runner/isolation/isolation.ts";
import { run } from "../../../src/runner/process/index.ts";
import { type RunningWorker, startWorker } from "../../support/worker.ts";
import { quickClock } from "../agent/world.ts";

const ACCOUNT = 41;
const main = join(import.meta.dirname, "../../../src/runner/main.ts");
let worker: RunningWorker;
let directory = "";

beforeAll(async () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  worker = await startWorker({
    // Nothing here asks GitHub: the discard port refuses.
    github: {
      url: "http://127.0.0.1:9",
      appId: 1,
      privateKeyPem: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
      webhookSecret: "s".repeat(32),
    },
    allowedAccounts: [ACCOUNT],
  });
  directory = await mkdtemp(join(tmpdir(), "snowcat-enrol-"));
});
afterAll(async () => {
  await worker?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function mint(account = ACCOUNT): Promise<string> {
  const answer = await fetch(`${worker.url}/operator/codes`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${worker.operatorSecret}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({
      account,
      pool: "trusted",
      class: "big",
      repositories: null,
      validSeconds: 60,
    }),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { code: string }).code;
}

async function enrol(name: string, code: string) {
  const stateDirectory = join(directory, name);
  const config = join(directory, `${name}.json`);
  await writeFile(
    config,
    JSON.stringify({ url: worker.url, stateDirectory, name, isolation: "none" }),
  );
  const result = await run([process.execPath, main, "enrol", "--config", config], {
    env: {},
    input: code,
  });
  return {
    code: result.exitCode,
    out: Buffer.from(result.stdout).toString(),
    err: Buffer.from(result.stderr).toString(),
    agent: join(stateDirectory, "agent"),
  };
}

it("takes a code through the real Worker, once; the key stays here and is nobody else's to read", async () => {
  const code = await mint();
  const first = await enrol("first", code);
  expect(first).toMatchObject({
    code: 0,
    out: expect.stringContaining("pool trusted, class big, all repositories"),
  });
  expect((await stat(join(first.agent, "key.pem"))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(first.agent, "identity.json"), "utf8")).not.toContain(code);
  expect(await enrol("second", code)).toMatchObject({
    code: 1,
    err: expect.stringContaining("403"),
  });
});

it("refuses a code for an account that is not served", async () => {
  await expect(mint(99)).rejects.toThrow("403");
});

it("lets the enrolled agent connect, again after the Worker was killed, and nobody without the key", async () => {
  const { agent: agentDirectory } = await enrol("third", await mint());
  const enrolled = await loadIdentity(agentDirectory);
  if (enrolled === null) throw new Error("not enrolled");
  const said = lines();
  const options = {
    url: worker.url,
    directory: agentDirectory,
    version: "test",
    slots: 1,
    systems: ["x86_64-linux"],
    features: [],
    minimumFreeBytes: 0,
    secrets: [],
    isolation: plainIsolation({}),
    runJob: () => Promise.reject(new Error("no job was offered")),
    clock: quickClock,
  };
  const agent = await Agent.start({ ...options, ...enrolled, say: said.push });
  await said.until("connected as");
  await worker.kill();
  await said.until("not connected");
  const before = said.count("connected as");
  await worker.restart();
  await said.until("connected as", before + 1);
  await agent.stop();
  const stranger = lines();
  const { privateKey } = generateKeyPairSync("ed25519");
  const other = await Agent.start({
    ...options,
    directory: join(directory, "stranger"),
    identity: enrolled.identity,
    key: privateKey,
    say: stranger.push,
  });
  await stranger.until("does not know this runner");
  expect(stranger.count("connected as")).toBe(0);
  await other.stop();
});

function lines() {
  const all: string[] = [];
  let changed = Promise.withResolvers<void>();
  const count = (part: string) =>
    all.filter(
      (line) => line.includes(part) && !(part === "connected as" && line.startsWith("not")),
    ).length;
  return {
    push: (line: string) => {
      all.push(line);
      changed.resolve();
      changed = Promise.withResolvers();
    },
    count,
    async until(part: string, times = 1) {
      while (count(part) < times) await changed.promise;
    },
  };
}
