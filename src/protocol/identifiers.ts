import * as z from "zod";

/** A full git object name (SHA-1, 40 hex digits; SHA-256 repositories, 64). */
export const ObjectName = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/u);
export type ObjectName = z.infer<typeof ObjectName>;

/** `<repository id>-<n>`: the n-th run of a repository, counted by its Repo object. */
export const RunId = z.string().regex(/^[1-9][0-9]{0,15}-[1-9][0-9]{0,8}$/u);
export type RunId = z.infer<typeof RunId>;

/** `<run id>.<n>`: the n-th job of a run. */
export const JobId = z.string().regex(/^[1-9][0-9]{0,15}-[1-9][0-9]{0,8}\.[0-9]{1,6}$/u);
export type JobId = z.infer<typeof JobId>;

/** The n-th time a job is handed out; counted from 1. The fencing token of everything said about the job. */
export const AttemptNumber = z.int().positive().max(1_000);

/** A runner as its Fleet object enrolled it. */
export const RunnerId = z.string().regex(/^[a-z0-9]{1,32}$/u);
export type RunnerId = z.infer<typeof RunnerId>;

/** Trust of a runner: one level for each host and store. */
export const Pool = z.enum(["untrusted", "trusted", "deploy"]);
export type Pool = z.infer<typeof Pool>;

/** A Nix system double such as `x86_64-linux`. */
export const System = z
  .string()
  .regex(/^[a-z0-9_]+-[a-z0-9_]+$/u)
  .max(64);

/** An absolute path of one object in the Nix store. */
export const StorePath = z
  .string()
  .regex(/^\/nix\/store\/[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]{1,211}$/u);

/**
 * What an exchange is known by: SHA-256 (hex) of its name or, without one, of its URL. Runners of one pool that name the
 * same one pass closures through it; neither the URL nor what it takes to log in leaves the runner.
 */
export const ExchangeId = z.string().regex(/^[0-9a-f]{64}$/u);
export type ExchangeId = z.infer<typeof ExchangeId>;

/** The run a job belongs to. */
export function runOf(job: JobId): RunId {
  return job.slice(0, job.indexOf("."));
}
