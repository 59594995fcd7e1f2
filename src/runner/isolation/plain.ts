import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Environment } from "../process/index.ts";
import { inheritedEnvironment, run } from "../process/index.ts";
import type { IsolatedJob, JobWays, SandboxResult, SandboxRun } from "./sandbox-run.ts";

/**
 * A job without isolation: the program runs as whoever runs this one. For the demo's explicit
 * switch, `snowcat check` on one's own checkout, and tests that say so; never for a pool.
 */
export async function openPlainJob(label: string, ways?: JobWays): Promise<IsolatedJob> {
  const root = await mkdtemp(join(tmpdir(), "snowcat-plain-"));
  const inside = join(root, "job");
  const home = join(root, "home");
  const secrets = join(root, "secrets");
  for (const directory of [inside, home, secrets]) await mkdir(directory, { mode: 0o700 });
  const base: Environment = {
    ...inheritedEnvironment(["PATH", "NIX_CONF_DIR", "NIX_REMOTE", "NIX_SSL_CERT_FILE", "LANG"]),
    HOME: home,
  };
  const stop = new AbortController();
  const live = new Set<Promise<unknown>>();
  return {
    id: `plain-${label}`,
    inside,
    outside: inside,
    secrets,
    agentSocket: ways?.socket ?? null,
    connect: null,
    remote: base["NIX_REMOTE"] ?? "auto",
    async run(request) {
      const ending = runPlain(request, { inside, secrets, base, stop: stop.signal });
      live.add(ending);
      try {
        return await ending;
      } finally {
        live.delete(ending);
      }
    },
    endings: async () => new Map(),
    async dispose() {
      stop.abort();
      await Promise.allSettled(live);
      await rm(root, { recursive: true, force: true });
    },
  };
}

interface PlainPlace {
  readonly inside: string;
  readonly secrets: string;
  readonly base: Readonly<Record<string, string>>;
  readonly stop: AbortSignal;
}

async function runPlain(request: SandboxRun, place: PlainPlace): Promise<SandboxResult> {
  if (request.binds && request.binds.length > 0)
    throw new Error("binds need isolation: without it, use paths beneath the job's directory");
  for (const file of request.files ?? []) {
    const path = join(place.secrets, file.name);
    await writeFile(path, file.content, { mode: 0o600 });
    await chmod(path, 0o400);
  }
  const { argv, cwd, env, input, timeoutMs, signal, graceMs, maxOutput, onStdout, onStderr } =
    request;
  try {
    const result = await run(argv, {
      cwd: cwd ?? place.inside,
      env: { ...place.base, ...env },
      ...(input === undefined ? {} : { input }),
      signal: signal ? AbortSignal.any([signal, place.stop]) : place.stop,
      timeoutMs,
      graceMs,
      maxOutput,
      onStdout,
      onStderr,
    });
    return {
      ...result,
      outOfMemory: false,
      peakBytes: null,
      enforcement: { memory: "none", processes: "none" },
    };
  } finally {
    for (const file of request.files ?? [])
      await rm(join(place.secrets, file.name), { force: true });
  }
}
