import { lstat, realpath } from "node:fs/promises";
import { normalize, sep } from "node:path";
import type { Job } from "./jobs.ts";
import type { Bind } from "./request.ts";

/** Null when the bind may be made, otherwise why not. */
export async function refuseBind(
  bind: Bind,
  job: Job,
  readOnlyPaths: readonly string[],
): Promise<string | null> {
  if (normalize(bind.source) !== bind.source || normalize(bind.target) !== bind.target)
    return "bind paths must be plain: no dots, no doubled or trailing slashes";
  if (!/^\/(src|work|inputs|job)(\/|$)/.test(bind.target))
    return `bind target ${bind.target} must lie in /src, /work, /inputs or /job`;
  if (readOnlyPaths.includes(bind.source)) {
    return bind.access === "read-only" ? null : `${bind.source} may be bound read-only`;
  }
  if (!bind.source.startsWith(job.directory + sep))
    return `${bind.source} is neither beneath the job's directory nor one of the operator's read-only paths`;
  const real = await realpath(bind.source).catch(() => null);
  if (real === null) return `${bind.source} does not exist`;
  if (real !== bind.source) return `${bind.source} goes through a symbolic link`;
  const found = await lstat(bind.source);
  if (found.uid !== job.uid) return `${bind.source} does not belong to the job`;
  if (!found.isDirectory() && !found.isFile())
    return `${bind.source} is neither a folder nor a file`;
  return null;
}
