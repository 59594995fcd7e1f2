import { enrolCommand } from "./enrol.ts";
import { EXIT, UsageError } from "./exit.ts";
import { HELP } from "./help.ts";
import { VERSION } from "./version.ts";

/** Runs a command; answers its exit code. What it throws ends here, as one line. */
export async function cli([command, ...args]: readonly string[]): Promise<number> {
  try {
    switch (command) {
      case "enrol":
        return await enrolCommand(args);
      case "runner":
        return await (await import("./runner.ts")).runnerCommand(args);
      case "deploy":
        return await (await import("./deploy.ts")).deployCommand(args);
      case "roots":
        return await (await import("./roots.ts")).rootsCommand(args);
      case "check":
        return await (await import("../check/index.ts")).checkCommand(args);
      case "doctor":
        return await (await import("../doctor/index.ts")).doctorCommand(args);
      case "machine-program":
        process.stdout.write((await import("../machine/index.ts")).MACHINE_PROGRAM);
        return EXIT.ok;
      case "--version":
        process.stdout.write(`${VERSION}\n`);
        return EXIT.ok;
      case "--help":
      case "help":
        process.stdout.write(HELP);
        return EXIT.ok;
      case undefined:
        process.stderr.write(HELP);
        return EXIT.usage;
      default:
        throw new UsageError(`there is no command ${JSON.stringify(command)}`);
    }
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  const usage =
    error instanceof UsageError ||
    (error instanceof TypeError &&
      "code" in error &&
      String(error.code).startsWith("ERR_PARSE_ARGS"));
  process.stderr.write(`snowcat: ${error instanceof Error ? error.message : String(error)}\n`);
  for (
    let cause = error instanceof Error ? error.cause : undefined;
    cause instanceof Error;
    cause = cause.cause
  )
    process.stderr.write(`  because: ${cause.message}\n`);
  if (usage) process.stderr.write("See `snowcat --help`.\n");
  return usage ? EXIT.usage : EXIT.failed;
}
