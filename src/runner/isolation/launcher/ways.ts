import { lstat, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { Accounts } from "../accounts.ts";
import type { Layout } from "../layout.ts";

/** Null when a job may be given the socket, otherwise why not: it has to be a relay of whoever may ask for jobs. */
export async function refuseSocket(
  path: string,
  { paths, plan }: { readonly paths: Layout; readonly plan: Accounts },
): Promise<string | null> {
  if (dirname(dirname(path)) !== paths.ways) return `${path} is not in ${paths.ways}`;
  if ((await realpath(path).catch(() => null)) !== path)
    return `${path} does not exist, or goes through a symbolic link`;
  const found = await lstat(path);
  if (!found.isSocket()) return `${path} is no socket`;
  return found.uid === plan.agent || found.uid === 0 ? null : `${path} is somebody else's`;
}
