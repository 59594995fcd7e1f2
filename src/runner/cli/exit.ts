/** Exit codes of the command line; those above 2 as in sysexits(3). */
export const EXIT = { ok: 0, failed: 1, usage: 64, unavailable: 69, configuration: 78 } as const;

/** The command line itself is wrong. */
export class UsageError extends Error {}
