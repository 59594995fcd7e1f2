import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";

const binaries = join(import.meta.dirname, "../../node_modules/.bin");

/**
 * Runs a program, the project's own tools before the system's.
 *
 * @returns its exit status and both of its outputs as one text, in the order they came
 */
export function execute(
  file: string,
  args: readonly string[],
  cwd: string,
): Promise<{ status: number; output: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; output: string }>();
  const PATH = [binaries, process.env["PATH"]].join(delimiter);
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, PATH, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.on("error", (cause) => reject(new Error(`${file} could not be started`, { cause })));
  child.on("close", (code, signal) => {
    const output = Buffer.concat(chunks).toString("utf8");
    if (code === null) reject(new Error(`${file} was ended by ${signal}: ${output}`));
    else resolve({ status: code, output });
  });
  return promise;
}

/** A program that says what is wrong and exits non-zero is a gate by itself. */
export async function problemsOf(
  file: string,
  args: readonly string[],
  cwd: string,
): Promise<readonly string[]> {
  const { status, output } = await execute(file, args, cwd);
  return status === 0 ? [] : [output.trim() || `${file} exited ${status} and said nothing`];
}
