import { runOnCheckout } from "./checkout-command.ts";
import { check } from "./pipeline.ts";
import { json, passed, words } from "./report.ts";

const USAGE = `usage: snowcat check [--json] [--systems SYSTEM[,SYSTEM…]] [--state DIRECTORY] [--no-isolation] <checkout>

Evaluates and builds a checkout as a runner would, and says what the checks would say.
Exit code: 0 every required attribute succeeded, 1 one did not, 2 it could not be looked at.

  --json           one line: {attributes: [{name, system, drv, verdict, seconds, log_tail}], seconds}
  --systems        required systems, instead of the configuration's or this machine's
  --state          where store and jobs live (root only); kept between checks
  --no-isolation   run Nix as you, with your files, network and store; for your own checkouts
`;

/** `snowcat check …`: @returns the exit code. */
export async function checkCommand(args: readonly string[]): Promise<number> {
  return await runOnCheckout(
    {
      name: "check",
      usage: USAGE,
      prepare: async () => {},
      look: async (place) => {
        const { rows, warnings, findings } = await check({
          ...place,
          say: (line) => void (place.json || process.stderr.write(`${line}\n`)),
        });
        const seconds = place.seconds();
        return {
          text: place.json ? json(rows, seconds) : words(rows, warnings, findings, seconds),
          good: passed(rows),
        };
      },
    },
    args,
  );
}
