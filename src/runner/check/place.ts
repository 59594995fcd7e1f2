import { existsSync } from "node:fs";
import type { Isolation } from "../isolation/index.ts";
import { startIsolation, StateDirectoryTaken } from "../isolation/index.ts";
import { CheckoutProblem } from "./checkout.ts";

/** Other users must get there, which a checkout in root's home does not allow. */
const DEFAULT_STATE = "/var/cache/snowcat/check";
/** Stores for checks side by side: one is held by one check. */
const PLACES = 8;
/** User numbers of a place: agent, egress, builders and jobs. */
const FIRST_UID = 34_000;
const UIDS = 100;

/** The isolation that a look at a checkout runs in: a store and users of its own, or none where the caller says so. */
export async function isolationFor({
  isolated,
  state,
}: {
  readonly isolated: boolean;
  readonly state: string | null;
}): Promise<Isolation> {
  if (!isolated) return await startIsolation({ kind: "none" });
  if (process.getuid?.() !== 0) {
    throw new CheckoutProblem(
      "isolation is set up by root: run this as root, or on your own checkout with --no-isolation",
    );
  }
  const base = state ?? DEFAULT_STATE;
  for (let place = 0; ; place += 1) {
    try {
      return await startIsolation({
        kind: "own",
        config: {
          stateDirectory: place === 0 ? base : `${base}-${place}`,
          uidBase: FIRST_UID + place * UIDS,
          jobUsers: 4,
          sandboxShell: existsSync("/bin/busybox") ? "/bin/busybox" : null,
        },
      });
    } catch (error) {
      if (!(error instanceof StateDirectoryTaken) || place + 1 >= PLACES) throw error;
    }
  }
}
