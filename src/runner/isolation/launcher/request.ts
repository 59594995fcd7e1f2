import * as z from "zod";
import { EgressPattern } from "../configuration.ts";

/** Bytes of a request's one line of JSON; secrets travel in it. */
export const REQUEST_MAX = 8 * 1024 * 1024;

const absolute = z.string().regex(/^\/[^\0]*$/, "must be an absolute path");
const noNul = z.string().regex(/^[^\0]*$/, "must not contain NUL");

/** What the memory and process limits of one run are. Bytes, counts, seconds. */
export const Limits = z.strictObject({
  memoryBytes: z.int().positive().optional(),
  processes: z.int().positive().optional(),
  openFiles: z.int().positive().optional(),
  fileBytes: z.int().positive().optional(),
});
export type Limits = z.output<typeof Limits>;

/** A further bind: beneath the job's own directory, or one of the operator's read-only paths. */
export const Bind = z.strictObject({
  source: absolute,
  target: absolute,
  access: z.enum(["read-only", "read-write"]),
});
export type Bind = z.output<typeof Bind>;

/** Opens a job: a user and a directory, kept for as long as the connection stays open. */
export const JobRequest = z.strictObject({
  kind: z.literal("job"),
  label: z.string().max(200),
  /** A destination beside the egress list, and a relay of the agent's, for this job alone. */
  ways: z.strictObject({ reach: EgressPattern, socket: absolute }).nullable(),
});
export type JobRequest = z.output<typeof JobRequest>;

/** Runs one program of an open job; closing the connection ends it. */
export const RunRequest = z.strictObject({
  kind: z.literal("run"),
  job: z.string().regex(/^[a-z0-9-]{1,64}$/),
  argv: z.tuple([noNul.min(1)], noNul),
  cwd: absolute,
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), noNul),
  network: z.enum(["none", "proxy"]),
  jobDirectory: z.enum(["read-only", "read-write", "absent"]),
  binds: z.array(Bind).max(32),
  /** Files on the private tmpfs, readable by the job only. Base64. */
  files: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/),
        content: z.base64(),
      }),
    )
    .max(32),
  limits: Limits,
  stdin: z.boolean(),
  graceMs: z.int().min(0).max(600_000),
});
export type RunRequest = z.output<typeof RunRequest>;

export const LauncherRequest = z.discriminatedUnion("kind", [JobRequest, RunRequest]);
export type LauncherRequest = z.output<typeof LauncherRequest>;

/** How limits were enforced, so that nobody takes an approximation for the real thing. */
export const Enforcement = z.enum(["cgroup", "address-space", "per-user", "none"]);
export type Enforcement = z.output<typeof Enforcement>;

/** The helper's last word about a run. */
export const RunExit = z.strictObject({
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  durationMs: z.number(),
  outOfMemory: z.boolean(),
  peakBytes: z.number().nullable(),
  memory: Enforcement,
  processes: Enforcement,
  /** The sandbox could not be made, so the program never ran. */
  setupFailed: z.boolean(),
});
export type RunExit = z.output<typeof RunExit>;

export const JobOpened = z.strictObject({
  job: z.string(),
  directory: absolute,
  uid: z.int(),
  /** See `IsolatedJob.connect`. */
  connect: z.array(z.string()),
});
export type JobOpened = z.output<typeof JobOpened>;

/** The helper declines; `bug` when it failed by itself. */
export const Refusal = z.strictObject({ reason: z.string(), bug: z.boolean() });
export type Refusal = z.output<typeof Refusal>;
