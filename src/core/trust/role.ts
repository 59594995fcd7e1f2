const WRITERS = new Set(["write", "maintain", "admin"]);

/**
 * Whether a collaborator's `role_name` carries write. GitHub names custom roles freely and does not say what they are
 * made of, so they count only where the configuration lists them (`policy.writers`). Null (unknown) is no.
 */
export function mayWrite(role: string | null, writers: readonly string[] = []): boolean {
  return role !== null && (WRITERS.has(role) || (!BUILT_IN.has(role) && writers.includes(role)));
}

/** A custom role cannot take the name of one of these to be listed. */
const BUILT_IN = new Set(["none", "read", "triage", "write", "maintain", "admin"]);
