import { accessSync, constants } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { PassThrough } from "node:stream";
import { describe } from "vitest";
import type {
  IsolatedJob,
  Isolation,
  RawIsolationConfiguration,
  SandboxResult,
} from "../../../src/runner/isolation/index.ts";
import { startIsolation } from "../../../src/runner/isolation/index.ts";
import type { NixInstall } from "../../support/nix-versions.ts";
import { isolationWith } from "../../support/nix-versions.ts";

const NEEDED = [
  "bwrap",
  "setpriv",
  "prlimit",
  "unshare",
  "flock",
  "ip",
  "nix",
  "nix-daemon",
  "busybox",
];

/** Why isolation cannot be tried here, or null. */
export function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "isolation is set up by root";
  const missing = NEEDED.filter((program) => !onPath(program));
  return missing.length === 0 ? null : `not installed: ${missing.join(", ")}`;
}

function onPath(program: string): boolean {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"].some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Skips with the reason in its name where isolation cannot be tried; in CI that is a failure. */
export function describeIsolated(name: string, body: () => void): void {
  const reason = whyNot();
  if (reason !== null && process.env.CI === "true") {
    throw new Error(`CI must be able to run "${name}": ${reason}`);
  }
  const why = reason === null ? "" : ` (skipped: ${reason})`;
  describe.skipIf(reason !== null)(`${name}${why}`, () => {
    body();
  });
}

/** A folder that job users may pass through; removed by the caller. */
export async function scratch(parent = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, "snowcat-test-"));
  await chmod(directory, 0o711);
  return directory;
}

/**
 * An isolation of its own beneath a fresh folder.
 * @param nix the one that SNOWCAT_NIX names unless given, else the machine's own
 */
export async function isolationForTest(
  config: Partial<RawIsolationConfiguration> = {},
  nix?: NixInstall,
): Promise<{ isolation: Isolation; directory: string; close(): Promise<void> }> {
  const directory = await scratch();
  const isolation = await startIsolation({
    kind: "own",
    config: {
      egress: [],
      ...isolationWith(nix),
      ...config,
      stateDirectory: join(directory, "state"),
    },
  });
  return {
    isolation,
    directory,
    async close() {
      await isolation.close();
      await rm(directory, { recursive: true });
    },
  };
}

export function out(result: SandboxResult): string {
  return new TextDecoder().decode(result.stdout);
}

export function err(result: SandboxResult): string {
  return new TextDecoder().decode(result.stderr);
}

/** A program that answers each line as it comes, and ends while there could be more. */
export async function conversation(job: IsolatedJob): Promise<SandboxResult> {
  const input = new PassThrough();
  let heard = "";
  const ending = job.run({
    argv: ["sh", "-c", 'while read -r line; do echo "<$line>"; [ "$line" != end ] || exit 3; done'],
    input,
    onStdout(chunk) {
      heard += new TextDecoder().decode(chunk);
      if (heard === "<first>\n") input.write("end\n");
    },
  });
  input.write("first\n");
  return await ending;
}

/** Waits for a condition, up to `limitMs`; the error names what did not come true. */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A process of the host, told apart from a later one with the same number. */
export interface SeenProcess {
  readonly pid: number;
  readonly started: string;
  readonly parent: number;
  readonly command: string;
}

export async function hostProcesses(): Promise<SeenProcess[]> {
  const found = await Promise.all(
    (await readdir("/proc"))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name): Promise<SeenProcess | null> => {
        const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
        const command = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return fields[0] === "Z" || fields[1] === undefined
          ? null
          : { pid: Number(name), parent: Number(fields[1]), started: fields[19] ?? "", command };
      }),
  );
  return found.filter((one) => one !== null);
}

/** All processes beneath one. */
export async function descendants(root: number): Promise<SeenProcess[]> {
  const all = await hostProcesses();
  const beneath = new Set([root]);
  for (let size = 0; size !== beneath.size;) {
    size = beneath.size;
    for (const one of all) if (beneath.has(one.parent)) beneath.add(one.pid);
  }
  beneath.delete(root);
  return all.filter((one) => beneath.has(one.pid));
}

export async function stillThere(seen: readonly SeenProcess[]): Promise<SeenProcess[]> {
  const now = await hostProcesses();
  return seen.filter((one) =>
    now.some((other) => other.pid === one.pid && other.started === one.started),
  );
}
