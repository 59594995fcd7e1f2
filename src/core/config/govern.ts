import { describeChange } from "./describe.ts";
import { merge } from "./merge.ts";
import type { ConfigurationError, ConfigurationRead } from "./read.ts";
import { type Configuration, CONFIGURATION_FILE } from "./schema.ts";

export type Governing = {
  /** The default branch's. */
  base: ConfigurationRead;
  /** That of the tree which is built; null where that is the default branch's or nobody's business (a push). */
  own: ConfigurationRead | null;
  /** Whether the tree has the file at all. */
  ownExists: boolean;
  /** A pull request by somebody with write: what it adds counts in its own run. */
  adds: boolean;
};

export type Governed =
  /** `notices` are plain text, with names as somebody wrote them. */
  | { ok: true; configuration: Configuration; notices: string[] }
  | { ok: false; errors: ConfigurationError[] };

/**
 * What a run goes by. A tree whose own configuration is faulty fails whoever brings it: merged, nothing could be run any
 * more. Where only the default branch's is faulty, the tree mends it, and is judged by what can be read of the faulty one,
 * so that mending is not what the fault forbids.
 */
export function govern({ base, own, ownExists, adds }: Governing): Governed {
  if (own !== null && !own.ok) return { ok: false, errors: own.errors };
  if (own === null)
    return base.ok
      ? { ok: true, configuration: base.configuration, notices: [] }
      : { ok: false, errors: base.errors };
  const counts = base.ok ? base.configuration : base.rest;
  const configuration = adds ? merge(counts, own.configuration) : counts;
  return {
    ok: true,
    configuration,
    notices: [
      ...(base.ok ? [] : [mending(base.errors)]),
      ...changes(counts, configuration, own.configuration, ownExists),
    ],
  };
}

function mending([first]: ConfigurationError[]): string {
  const where = first === undefined ? "" : `, line ${first.line}: ${first.message}`;
  return `${CONFIGURATION_FILE} of the default branch is faulty${where}. This run goes by what can be read of it.`;
}

/** What of a changed configuration counts now, and what only when it is the default branch's. */
function changes(
  base: Configuration,
  now: Configuration,
  own: Configuration,
  exists: boolean,
): string[] {
  if (describeChange(base, own) === "") return [];
  const already = describeChange(base, now);
  const later = describeChange(now, own);
  return [
    `${CONFIGURATION_FILE} is ${exists ? "changed" : "not there any more, so that the defaults hold after the merge"}. ${already === "" ? "Nothing of it counts in this run" : `In this run already: ${already}`}.`,
    ...(later === "" ? [] : [`${CONFIGURATION_FILE}, after the merge only: ${later}.`]),
  ];
}

/** For a push to the default branch that took the file away; `before` is what stood there. */
export function disappeared(before: ConfigurationRead): string {
  const had = before.ok ? describeChange(before.configuration, {}) : "";
  return `${CONFIGURATION_FILE} is gone: the defaults hold from here on${had === "" ? "" : `, which ${had}`}.`;
}
