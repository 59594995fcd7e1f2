import { writeFile } from "node:fs/promises";

/** Rows as JSON on stdout, and in a file where one is named. */
export async function publish(rows: readonly object[], file: string | undefined): Promise<void> {
  const text = JSON.stringify({ rows }, null, 2);
  if (file !== undefined) await writeFile(file, `${text}\n`);
  process.stdout.write(`${text}\n`);
}

/** A line for whoever watches. */
export function progress(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

export function rounded(value: number, digits = 3): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** By linear interpolation; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}
