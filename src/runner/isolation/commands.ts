import { egressCommand } from "./egress/command.ts";
import { innerCommand } from "./inner.ts";
import { connectThrough } from "./init/connect.ts";
import { networkInit } from "./init/network-init.ts";

/**
 * Runs one of the commands with which this program starts parts of itself; false when `argv[0]` is
 * none of them. The command line interface asks here before anything else.
 */
export async function runInternalCommand(argv: readonly string[]): Promise<boolean> {
  const [name, ...args] = argv;
  switch (name) {
    case "isolation-inner":
      return await innerCommand();
    case "isolation-egress":
      return await egressCommand(args);
    case "sandbox-init":
      process.exit(await networkInit(args));
    case "sandbox-connect":
      process.exit(await connectThrough(args));
    default:
      return false;
  }
}
