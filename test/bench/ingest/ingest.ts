import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { parseArgs } from "node:util";
import { bundleWorker, startRawWorkerd, type RawWorkerd } from "../../support/raw-workerd.ts";
import { load, prepare, type Prepared, type Round, type Target } from "./load.ts";

type Row = {
  bytes: number;
  repositories: number;
  ratio: number;
  rps: number;
  p50_ms: number;
  p99_ms: number;
  peer_rps: number;
  peer_p50_ms: number;
  peer_p99_ms: number;
  rounds: number[];
};

const CONNECTIONS = 32;
const SIZES = [9_000, 220_000];
const REPOSITORIES = [1, 16];
const ACCOUNT = 900_001;

/**
 * Durable acceptance: Snowcat's Worker in raw workerd (the row committed before the 202) against Probot's own Node
 * server storing each delivery in SQLite with a full sync. Interleaved round by round, in alternating order; the ratio
 * is the median of the rounds' ratios. Both start from empty storage for each row.
 */
export async function ingest(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "string" },
      rounds: { type: "string", default: "6" },
      milliseconds: { type: "string", default: "2500" },
    },
  });
  const bundle = await bundleWorker();
  const rows: Row[] = [];
  try {
    for (const bytes of SIZES) {
      for (const repositories of REPOSITORIES) {
        const row = await measure(
          bundle,
          bytes,
          repositories,
          Number(values.rounds),
          Number(values.milliseconds),
        );
        rows.push(row);
        process.stderr.write(`${JSON.stringify(row)}\n`);
      }
    }
  } finally {
    await rm(bundle, { recursive: true, force: true });
  }
  const out = JSON.stringify({ rows }, null, 2);
  if (values.json !== undefined) await writeFile(values.json, `${out}\n`);
  process.stdout.write(`${out}\n`);
}

async function measure(
  bundle: string,
  bytes: number,
  repositories: number,
  rounds: number,
  milliseconds: number,
): Promise<Row> {
  const secret = randomBytes(24).toString("hex");
  const worker = await startRawWorkerd(bundle, variables(secret));
  const peer = await startPeer(secret);
  try {
    const ours = target(worker, "/github/webhook");
    const theirs: Target = { host: "127.0.0.1", port: peer.port, path: "/api/github/webhooks" };
    const sides = {
      ours: requests(ours, secret, bytes, repositories),
      theirs: requests(theirs, secret, bytes, repositories),
    };
    const results: { ours: Round[]; theirs: Round[] } = { ours: [], theirs: [] };
    for (const side of ["ours", "theirs"] as const)
      await load(side === "ours" ? ours : theirs, sides[side], CONNECTIONS, 500);
    await worker.idle();
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const);
      for (const side of order) {
        results[side].push(
          await load(side === "ours" ? ours : theirs, sides[side], CONNECTIONS, milliseconds),
        );
        // What a server puts off must not be paid for in the other's turn.
        await worker.idle();
      }
    }
    return summarise(bytes, repositories, results.ours, results.theirs);
  } finally {
    await worker.stop();
    await peer.stop();
  }
}

function summarise(bytes: number, repositories: number, ours: Round[], theirs: Round[]): Row {
  const errors = [...ours, ...theirs].flatMap((round) => round.errors);
  if (errors.length > 0)
    throw new Error(
      `${errors.length} requests were not accepted; the first answer was: ${errors[0]}`,
    );
  const rate = (round: Round) => round.accepted / round.seconds;
  const ratios = ours.map((round, index) => rate(round) / rate(theirs[index] as Round));
  const latency = (side: Round[], q: number) =>
    quantile(
      side.flatMap((round) => round.latencies),
      q,
    );
  const round1 = (value: number) => Math.round(value * 10) / 10;
  return {
    bytes,
    repositories,
    ratio: Math.round(quantile(ratios, 0.5) * 100) / 100,
    rps: Math.round(quantile(ours.map(rate), 0.5)),
    p50_ms: round1(latency(ours, 0.5)),
    p99_ms: round1(latency(ours, 0.99)),
    peer_rps: Math.round(quantile(theirs.map(rate), 0.5)),
    peer_p50_ms: round1(latency(theirs, 0.5)),
    peer_p99_ms: round1(latency(theirs, 0.99)),
    rounds: ratios.map((ratio) => Math.round(ratio * 100) / 100),
  };
}

function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

function target(worker: RawWorkerd, path: string): Target {
  return { host: "127.0.0.1", port: Number(new URL(worker.url).port), path };
}

/** `check_run` created: what an App that posts checks is sent most. One body for each repository. */
function requests(to: Target, secret: string, bytes: number, repositories: number): Prepared[] {
  const example = exampleCheckRun();
  return Array.from({ length: repositories }, (_, index) => {
    const payload = structuredClone(example);
    Object.assign(payload.repository, { id: 7_000_000 + index, name: `bench-${index}` });
    Object.assign(payload.repository.owner, { id: ACCOUNT });
    payload.installation = { id: 55 };
    const padding = bytes - JSON.stringify(payload).length - 20;
    if (padding > 0)
      payload.check_run.output.text = "log line with some text\n"
        .repeat(Math.ceil(padding / 24))
        .slice(0, padding);
    return prepare(to, secret, "check_run", payload);
  });
}

type CheckRunPayload = {
  repository: { owner: object };
  check_run: { output: { text: string | null } };
  installation: { id: number };
};

function exampleCheckRun(): CheckRunPayload {
  const path = createRequire(import.meta.url).resolve(
    "@octokit/webhooks-examples/api.github.com/index.json",
  );
  const events = JSON.parse(readFileSync(path, "utf8")) as {
    name: string;
    examples: (CheckRunPayload & { action: string })[];
  }[];
  const example = events
    .find((event) => event.name === "check_run")
    ?.examples.find((one) => one.action === "created");
  if (example === undefined) throw new Error("@octokit/webhooks-examples has no check_run created");
  return example;
}

function variables(secret: string): Record<string, string> {
  const app = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
    type: "pkcs1",
    format: "pem",
  });
  const specification = generateKeyPairSync("ed25519").privateKey.export({
    type: "pkcs8",
    format: "der",
  });
  return {
    GITHUB_API_URL: "http://127.0.0.1:9",
    GITHUB_APP_ID: "1",
    ALLOWED_ACCOUNTS: String(ACCOUNT),
    GITHUB_APP_PRIVATE_KEY: String(app),
    GITHUB_WEBHOOK_SECRET: secret,
    OPERATOR_SECRET: randomBytes(24).toString("hex"),
    SPECIFICATION_KEY: specification.toString("base64"),
    ATTEMPT_KEY: randomBytes(32).toString("base64"),
  };
}

async function startPeer(secret: string): Promise<{ port: number; stop(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "snowcat-peer-"));
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, "peer.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: process.env["PATH"] ?? "",
      NODE_ENV: "production",
      LOG_LEVEL: "fatal",
      PEER_PORT: String(await freePort()),
      PEER_SECRET: secret,
      PEER_DIRECTORY: directory,
    },
  });
  if (child.stdout === null) throw new Error("the peer's output is not piped");
  const port = await announced(child.stdout);
  return {
    port,
    stop: async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The peer's port, from its line `listening PORT` among Probot's own lines. */
async function announced(output: Readable): Promise<number> {
  for await (const line of createInterface({ input: output })) {
    const match = /^listening (\d+)$/u.exec(line);
    if (match !== null) return Number(match[1]);
  }
  throw new Error("the peer ended before it listened");
}

/** Probot's server takes no port 0 (`options.port || 3000`), so one is looked up first. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no address");
  return address.port;
}
