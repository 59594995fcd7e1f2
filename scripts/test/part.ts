import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** One run of `npm test` among several. */
export interface Part {
  /** For people, such as `Nix 2.26.3 (trixie)`. */
  readonly title: string;
  readonly args: readonly string[];
  /** The suite that SNOWCAT_NIX names; the machine's own Nix unless given. */
  readonly suite?: string;
  /** `reported`: its failures are told, and fail nothing. */
  readonly kind: "gating" | "reported";
}

export interface PartEnd {
  readonly part: Part;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Somebody wanted it to end: what would follow is not run. */
  readonly stopped: boolean;
}

/** Runs one part as a process of its own, its output passed through; one that says nothing at its end has failed. */
export async function runPart(part: Part): Promise<PartEnd> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "../test.ts"), ...part.args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...(part.suite === undefined ? {} : { SNOWCAT_NIX: part.suite }) },
  });
  let stopped = false;
  const forward = (signal: NodeJS.Signals): void => {
    stopped = true;
    child.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, forward);
  let last = "";
  createInterface({ input: child.stdout }).on("line", (line) => {
    process.stdout.write(`${line}\n`);
    if (line !== "") last = line;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, forward);
  return { part, stopped, ...countsOf(last, code) };
}

/** @param last the last line of `npm test`, `N passed, N failed, N skipped` */
export function countsOf(last: string, code: number | null): Omit<PartEnd, "part" | "stopped"> {
  const said = /^(\d+) passed, (\d+) failed, (\d+) skipped$/u.exec(last);
  const [, passed = 0, failed = 0, skipped = 0] = said?.map(Number) ?? [];
  // It failed for a reason that it did not count, such as a crash.
  const uncounted = failed === 0 && (code !== 0 || said === null);
  return { passed, failed: uncounted ? 1 : failed, skipped };
}
