import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { parse } from "smol-toml";

const ROOT = resolve(import.meta.dirname, "../..");

/** Bundles the Worker exactly as `wrangler deploy` would, and answers the folder that holds `worker.js`. */
export async function bundleWorker(): Promise<string> {
  const out = await mkdtemp(join(tmpdir(), "snowcat-worker-"));
  const args = ["deploy", "--dry-run", "--outdir", out, "--config", join(ROOT, "wrangler.toml")];
  const child = spawn(
    process.execPath,
    [join(ROOT, "node_modules/wrangler/bin/wrangler.js"), ...args],
    {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        WRANGLER_SEND_METRICS: "false",
        CLOUDFLARE_CF_FETCH_ENABLED: "false",
        WRANGLER_HIDE_BANNER: "true",
        CI: "1",
      },
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => (output += String(chunk)));
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`wrangler could not bundle the Worker:\n${output}`);
  return out;
}

export type RawWorkerd = {
  url: string;
  /** Resolves when it has had nothing to do for half a second: what it put off is done. */
  idle(): Promise<void>;
  stop(): Promise<void>;
};

/**
 * The bundle in workerd itself, without wrangler or Miniflare around it: SQLite objects on disk, variables as given.
 * D1 and R2 are simulators of Miniflare's and absent here, so this serves for what needs neither.
 */
export async function startRawWorkerd(
  bundle: string,
  variables: Record<string, string>,
): Promise<RawWorkerd> {
  const state = await mkdtemp(join(tmpdir(), "snowcat-state-"));
  await mkdir(join(state, "objects"));
  const wrangler = parse(await readFile(join(ROOT, "wrangler.toml"), "utf8")) as Wrangler;
  // `embed` takes paths relative to the configuration only.
  await copyFile(join(bundle, "worker.js"), join(state, "worker.js"));
  const text = capnp(wrangler, join(state, "objects"), variables);
  const config = join(state, "config.capnp");
  await writeFile(config, text, { mode: 0o600 });
  const child = spawn(
    join(ROOT, "node_modules/workerd/bin/workerd"),
    ["serve", config, "--control-fd=3"],
    {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    },
  );
  const port = await listening(child);
  return {
    url: `http://127.0.0.1:${port}`,
    idle: () => idle(child.pid ?? 0),
    stop: async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      await rm(state, { recursive: true, force: true });
    },
  };
}

/** Clock ticks a process has used, from /proc (utime + stime, proc(5)). */
async function ticks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function idle(pid: number): Promise<void> {
  for (let quiet = 0, last = await ticks(pid); quiet < 5;) {
    await new Promise((resolve_) => setTimeout(resolve_, 100));
    const used = await ticks(pid);
    quiet = used - last <= 1 ? quiet + 1 : 0;
    last = used;
  }
}

async function listening(child: ChildProcess): Promise<number> {
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`workerd ended with ${String(code)} before it listened`);
  });
  exited.catch(() => undefined);
  const first = once(createInterface({ input: child.stdio[3] as Readable }), "line");
  const [line] = await Promise.race([first, exited]);
  return (JSON.parse(String(line)) as { port: number }).port;
}

function capnp(wrangler: Wrangler, objects: string, variables: Record<string, string>): string {
  const quote = JSON.stringify;
  const classes = wrangler.durable_objects.bindings;
  const text = Object.entries({ ...wrangler.vars, ...variables });
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "objects", disk = (path = ${quote(objects)}, writable = true)),
    (name = "internet", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = ${quote(wrangler.compatibility_date)},
  bindings = [
${text.map(([name, value]) => `    (name = ${quote(name)}, text = ${quote(value)}),`).join("\n")}
${classes.map(({ name, class_name }) => `    (name = ${quote(name)}, durableObjectNamespace = ${quote(class_name)}),`).join("\n")}
  ],
  durableObjectNamespaces = [
${classes.map(({ class_name }) => `    (className = ${quote(class_name)}, uniqueKey = ${quote(`snowcat-${class_name}`)}, enableSql = true),`).join("\n")}
  ],
  durableObjectStorage = (localDisk = "objects"),
);
`;
}

type Wrangler = {
  compatibility_date: string;
  vars: Record<string, string>;
  durable_objects: { bindings: { name: string; class_name: string }[] };
};
