// Entry of the internal commands when the sources run as they are; the bundle's entry is the CLI.
import { runInternalCommand } from "./commands.ts";

if (!(await runInternalCommand(process.argv.slice(2)))) {
  throw new Error(`no internal command ${process.argv[2] ?? "given"}`);
}
