import type { DeployTarget } from "../../../protocol/machine.ts";
import type { Clock } from "../../agent/clock.ts";
import type { DeployPolicy } from "./policy.ts";
import { targetsOf } from "./targets.ts";

/** How often the policy is read to see whether it names other machines (ms). */
const LOOK_EVERY = 5_000;

/** What the policy names, as the control plane is told of it. */
export interface Offered {
  readonly targets: () => DeployTarget[];
  /** Reads the policy again from time to time; `changed` when it names others than before. Answers how that is ended. */
  watch(changed: () => void): () => void;
}

/**
 * @param policy reads it, and throws where it cannot be read. Then what was told stands until it can: each job reads it for
 *   itself, and none begins by what cannot be read.
 * @param host GitHub's.
 */
export async function offered(
  policy: () => Promise<DeployPolicy>,
  host: string,
  clock: Clock,
  say: (line: string) => void,
): Promise<Offered> {
  let targets = targetsOf(await policy(), host);
  let complaint: string | null = null;
  const look = async (): Promise<boolean> => {
    try {
      const now = targetsOf(await policy(), host);
      complaint = null;
      if (JSON.stringify(now) === JSON.stringify(targets)) return false;
      targets = now;
      say(`the deploy policy names ${now.length} machines now`);
      return true;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== complaint) say(`the deploy policy cannot be read: ${message}`);
      complaint = message;
      return false;
    }
  };
  return {
    targets: () => targets,
    watch(changed) {
      let stopped = false;
      let cancel = () => {};
      const again = () => {
        cancel = clock.after(LOOK_EVERY, () => {
          void look().then((isOther) => {
            if (stopped) return;
            if (isOther) changed();
            again();
          });
        });
      };
      again();
      return () => {
        stopped = true;
        cancel();
      };
    },
  };
}
