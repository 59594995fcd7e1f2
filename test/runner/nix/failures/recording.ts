import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";

/** What one program of Nix really printed when it failed. */
export const Recording = z.strictObject({
  nix: z.string(),
  through: z.enum(["daemon", "direct"]),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  /** Derivations that were asked for, and the one that the case is about; none for an evaluation. */
  drvs: z.array(z.string()),
  subject: z.string().nullable(),
  /** Milliseconds since the start, and a line of stderr as it came. */
  lines: z.array(z.tuple([z.int(), z.string()])),
});
export type Recording = z.output<typeof Recording>;

/** Verdict kinds that a failure can come to; `dependency-failed`: nothing is said of it, another is blamed. */
export const Kind = z.enum([
  "failed",
  "hash-mismatch",
  "timed-out",
  "silent",
  "out-of-memory",
  "out-of-disk",
  "no-runner",
  "dependency-failed",
  "evaluation-error",
  "infrastructure",
]);
export type Kind = z.output<typeof Kind>;

/** How it is read: a build, an evaluation, a flake's inputs being read. */
export const Reading = z.enum(["build", "evaluation", "inputs"]);
export type Reading = z.output<typeof Reading>;

export const RecordedFailure = z.strictObject({
  reading: Reading,
  expected: Kind,
  /** The subject is a fixed-output derivation. */
  fixedOutput: z.boolean(),
  /** The kernel killed for want of memory meanwhile. */
  memoryRanOut: z.boolean(),
  limits: z.strictObject({ buildSeconds: z.number(), silentSeconds: z.number() }),
  recordings: z.array(Recording),
});
export type RecordedFailure = z.output<typeof RecordedFailure>;

export const RECORDED = join(import.meta.dirname, "recorded");

export async function readRecorded(): Promise<Map<string, RecordedFailure>> {
  const names = (await readdir(RECORDED)).filter((name) => name.endsWith(".json")).toSorted();
  return new Map(
    await Promise.all(
      names.map(async (name) => {
        const text = await readFile(join(RECORDED, name), "utf8");
        return [name.slice(0, -".json".length), RecordedFailure.parse(JSON.parse(text))] as const;
      }),
    ),
  );
}
