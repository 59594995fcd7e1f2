/**
 * Process groups. Every child leads a group of its own, so that a cancelled job takes along what
 * it started; what escapes with setsid is the business of the job's pid namespace.
 */
const live = new Set<number>();

process.on("exit", () => {
  for (const leader of live) signalGroup(leader, "SIGKILL");
});

/** Remembers a group, so that it does not outlive an orderly exit of this process. */
export function adoptGroup(leader: number): void {
  live.add(leader);
}

/** Forgets a group whose leader has been reaped: its number may be used again. */
export function releaseGroup(leader: number): void {
  live.delete(leader);
}

/** Signals every member; false when there is none left. */
export function signalGroup(leader: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** EPERM counts as gone: the members changed their user, and only their own helper may end them. */
function isGone(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ESRCH" || code === "EPERM";
}
