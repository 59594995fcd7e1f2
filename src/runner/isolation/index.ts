import { inheritedEnvironment } from "../process/index.ts";
import type { RawIsolationConfiguration } from "./configuration.ts";
import { Descriptor, DESCRIPTOR_VARIABLE } from "./descriptor.ts";
import type { Isolation } from "./isolation.ts";
import { attachIsolation, plainIsolation } from "./isolation.ts";
import { supervise } from "./supervisor.ts";

export type { RawIsolationConfiguration } from "./configuration.ts";
export type { Isolation } from "./isolation.ts";
export type { IsolatedJob, SandboxResult } from "./sandbox-run.ts";
export { StateDirectoryTaken, supervise } from "./supervisor.ts";

export type IsolationChoice =
  /** The agent of a supervisor: what it needs stands in its environment. */
  | { readonly kind: "supervised" }
  /** Root without an agent (tests, `snowcat check` as root): a supervisor that lives until `close`. */
  | { readonly kind: "own"; readonly config: RawIsolationConfiguration }
  /** Explicitly none. `environment` names the store to use, as for a shell. */
  | { readonly kind: "none" };

/** Wires the isolation that the operator chose. There is no silent fallback from one kind to another. */
export async function startIsolation(choice: IsolationChoice): Promise<Isolation> {
  switch (choice.kind) {
    case "supervised": {
      const text = process.env[DESCRIPTOR_VARIABLE];
      if (text === undefined)
        throw new Error(
          `${DESCRIPTOR_VARIABLE} is not set: the agent is started by the supervisor (snowcat runner, as root)`,
        );
      return attachIsolation(Descriptor.parse(JSON.parse(text)));
    }
    case "own": {
      const supervised = await supervise(choice.config);
      return attachIsolation(supervised.descriptor, () => supervised.close(), true);
    }
    case "none": {
      process.stderr.write(
        "snowcat: NOT ISOLATED: jobs run as this user, with this user's files and network\n",
      );
      return plainIsolation(inheritedEnvironment(["PATH", "NIX_CONF_DIR", "NIX_REMOTE", "LANG"]));
    }
  }
}
