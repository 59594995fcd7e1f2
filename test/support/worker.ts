import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { convertV4MiniflareOptions, Miniflare, type MiniflareOptions } from "miniflare";
import { parse } from "smol-toml";
import { bundleWorker } from "./raw-workerd.ts";

const ROOT = resolve(import.meta.dirname, "../..");

// Miniflare starts what the first names, with this process's environment.
process.env["MINIFLARE_WORKERD_PATH"] = join(import.meta.dirname, "workerd.sh");
process.env["WORKERD"] = join(ROOT, "node_modules/workerd/bin/workerd");

/** The whole Worker from `wrangler.toml`, bundled as it is deployed, in real workerd, its state on disk. */
export type RunningWorker = {
  /** Stays the same over restarts. */
  readonly url: string;
  readonly operatorSecret: string;
  /** What it signs specifications with: PKCS#8 DER, base64. */
  readonly specificationKey: string;
  /** Where objects, D1 and R2 lie on disk. */
  readonly stateDirectory: string;
  /** Lines that the Worker logged. */
  readonly log: readonly string[];
  /** SIGKILL of workerd, at once. Until `restart`, nothing answers. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Whether workerd is there: somebody else may have killed it. */
  alive(): Promise<boolean>;
  /** Where to look into the isolate, when it was asked for. */
  inspector(): Promise<URL>;
  /** What cron does, now. */
  scheduled(): Promise<void>;
  stop(): Promise<void>;
};

export type WorkerInput = {
  github: { url: string; appId: number; privateKeyPem: string; webhookSecret: string };
  allowedAccounts: number[];
  /** Further variables, such as a banner. */
  variables?: Record<string, string>;
  /** Text of an ES module that stands around the Worker, which it imports as `./worker.js`. */
  around?: string;
  /** Whether the isolate can be looked into. */
  inspect?: boolean;
};

export async function startWorker(input: WorkerInput): Promise<RunningWorker> {
  const bundle = await bundleWorker();
  const state = await mkdtemp(join(tmpdir(), "snowcat-state-"));
  const log: string[] = [];
  const operatorSecret = randomBytes(24).toString("hex");
  const secrets = {
    OPERATOR_SECRET: operatorSecret,
    SPECIFICATION_KEY: generateKeyPairSync("ed25519")
      .privateKey.export({ type: "pkcs8", format: "der" })
      .toString("base64"),
    ATTEMPT_KEY: randomBytes(32).toString("base64"),
  };
  const wrangler = parse(await readFile(join(ROOT, "wrangler.toml"), "utf8")) as Wrangler;
  const script = await readFile(join(bundle, "worker.js"), "utf8");
  let port = 0;
  const options = (): MiniflareOptions =>
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port,
      name: wrangler.name,
      modules: [
        ...(input.around === undefined
          ? []
          : [{ type: "ESModule" as const, path: "around.js", contents: input.around }]),
        { type: "ESModule", path: "worker.js", contents: script },
      ],
      ...(input.inspect === true ? { inspectorPort: 0 } : {}),
      compatibilityDate: wrangler.compatibility_date,
      compatibilityFlags: ["nodejs_compat"],
      bindings: {
        ...wrangler.vars,
        ...input.variables,
        ...secrets,
        GITHUB_API_URL: input.github.url,
        GITHUB_APP_ID: String(input.github.appId),
        GITHUB_APP_PRIVATE_KEY: input.github.privateKeyPem,
        GITHUB_WEBHOOK_SECRET: input.github.webhookSecret,
        ALLOWED_ACCOUNTS: input.allowedAccounts.join(","),
        PUBLIC_URL: port === 0 ? "" : `http://127.0.0.1:${port}`,
      },
      durableObjects: Object.fromEntries(
        wrangler.durable_objects.bindings.map(({ name, class_name }) => [
          name,
          { className: class_name, useSQLite: true },
        ]),
      ),
      d1Databases: Object.fromEntries(
        wrangler.d1_databases.map(({ binding, database_id }) => [binding, database_id]),
      ),
      r2Buckets: Object.fromEntries(
        wrangler.r2_buckets.map(({ binding, bucket_name }) => [binding, bucket_name]),
      ),
      // The one option that puts objects, D1 and R2 on disk; the older ones for each are ignored silently.
      resourcePersistencePath: state,
      cf: false,
      // Without it Miniflare writes the Worker's log to this process's stdout and stderr, which belong to the command.
      handleStructuredLogs: ({ level, message }) =>
        log.push(
          ...message
            .split("\n")
            .filter(Boolean)
            .map((line) => `${level}: ${line}`),
        ),
    });

  // Miniflare ends the process at a signal by itself; here whoever started the Worker also has a store to put away.
  const keepSignals = signalsKept();
  let miniflare = new Miniflare(options());
  keepSignals();
  port = Number((await miniflare.ready).port);
  // The address is known only now, and links need it.
  await miniflare.setOptions(options());
  await migrate(miniflare);
  const url = `http://127.0.0.1:${port}`;
  const kill = async () => {
    const children = await workerdChildren();
    for (const pid of children) process.kill(pid, "SIGKILL");
    await Promise.all(children.map(gone));
    // Miniflare's own part is ended too; it has nothing to flush, the storage belongs to workerd.
    await miniflare
      .dispose()
      .catch((cause: unknown) => log.push(`miniflare after the kill: ${String(cause)}`));
  };
  return {
    url,
    operatorSecret,
    specificationKey: secrets.SPECIFICATION_KEY,
    stateDirectory: state,
    log,
    kill,
    alive: async () => (await workerdChildren()).length > 0,
    restart: async () => {
      await miniflare
        .dispose()
        .catch((cause: unknown) => log.push(`miniflare before the restart: ${String(cause)}`));
      miniflare = new Miniflare(options());
      await miniflare.ready;
    },
    inspector: () => miniflare.getInspectorURL(),
    scheduled: async () => {
      const worker = await miniflare.getWorker();
      const { outcome } = await worker.scheduled({ cron: wrangler.triggers.crons[0] ?? "" });
      if (outcome !== "ok") throw new Error(`the scheduled handler ended with ${outcome}`);
    },
    stop: async () => {
      await miniflare.dispose();
      await rm(state, { recursive: true, force: true });
      await rm(bundle, { recursive: true, force: true });
    },
  };
}

async function migrate(miniflare: Miniflare): Promise<void> {
  const database = await miniflare.getD1Database("INDEX");
  const directory = join(ROOT, "migrations");
  for (const name of (await readdir(directory)).toSorted()) {
    const statements = (await readFile(join(directory, name), "utf8"))
      .replace(/--.*$/gmu, "")
      .split(";");
    await database.batch(
      statements
        .map((one) => one.trim())
        .filter(Boolean)
        .map((statement) => database.prepare(statement)),
    );
  }
}

/** Answers what takes away the signal handlers that were added since the call. */
function signalsKept(): () => void {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const known = new Set(signals.flatMap((signal) => process.listeners(signal)));
  return () => {
    for (const signal of signals) {
      for (const listener of process.listeners(signal))
        if (!known.has(listener)) process.removeListener(signal, listener);
    }
  };
}

/** workerd processes that this process started: the only ones that may be killed. */
async function workerdChildren(): Promise<number[]> {
  const children = (await readFile(`/proc/self/task/${process.pid}/children`, "utf8"))
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
  const names = await Promise.all(
    children.map(async (pid) => ({
      pid,
      name: await readFile(`/proc/${pid}/comm`, "utf8").catch(() => ""),
    })),
  );
  return names.filter(({ name }) => name.trim() === "workerd").map(({ pid }) => pid);
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
    if (state === null || state.includes(") Z ")) return;
    await new Promise((done) => setTimeout(done, 5));
  }
}

type Wrangler = {
  name: string;
  compatibility_date: string;
  vars: Record<string, string>;
  durable_objects: { bindings: { name: string; class_name: string }[] };
  d1_databases: { binding: string; database_id: string }[];
  triggers: { crons: string[] };
  r2_buckets: { binding: string; bucket_name: string }[];
};
