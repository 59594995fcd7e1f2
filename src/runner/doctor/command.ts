import { agentDirectory, readConfiguration } from "../agent/configuration.ts";
import { runOnCheckout } from "../check/index.ts";
import { readRoots } from "../nix/roots/table.ts";
import { look } from "./look.ts";
import { healthy, json, words } from "./report.ts";

const USAGE = `usage: snowcat doctor [--json] [--systems SYSTEM[,SYSTEM…]] [--config FILE] [--state DIRECTORY] [--no-isolation] <checkout>

Holds .github/snowcat.yml against the checkout's own evaluation: every attribute, file, machine, test, stage and command
that it names is there. Nothing is built or run.
Exit code: 0 everything is there, 1 something is not, 2 it could not be looked at.

  --json           one line: {ok, problems: [{level, file, line, column, key, message}], seen, roots, seconds}
  --systems        systems of the runners, instead of this machine's
  --config         a runner's configuration: what its store keeps from garbage collection is listed too
  --state          where store and jobs live (root only); kept for the next time
  --no-isolation   run Nix as you, with your files, network and store; for your own checkouts
`;

/** `snowcat doctor …`: @returns the exit code. */
export async function doctorCommand(args: readonly string[]): Promise<number> {
  return await runOnCheckout(
    {
      name: "doctor",
      usage: USAGE,
      options: ["config"],
      prepare: async ({ config }) =>
        config === undefined
          ? null
          : await readRoots(agentDirectory(await readConfiguration(config))),
      look: async (place, roots) => {
        const examined = { ...(await look(place)), roots };
        return {
          text: place.json ? json(examined, place.seconds()) : words(examined),
          good: healthy(examined),
        };
      },
    },
    args,
  );
}
