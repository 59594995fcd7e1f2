import type { MethodPlace } from "../method.ts";
import { commandsOf, rebuildsHere, type SshCall, sshCalls } from "./script.ts";
import type { KropsTool } from "./tool.ts";

/** What krops.nix was built to: a script that sends sources by others of its closure, then has the machine switch. */
export type Result =
  | {
      kind: "read";
      calls: SshCall[];
      /** It would have this runner rebuild a system. */
      rebuildsHere: boolean;
      /** Programs that it begins with, and that send sources and do nothing else. Empty where it has none apart. */
      populate: string[];
    }
  | { kind: "unreadable"; why: string };

/** Seconds for a look at files. */
const LOOK = 60;
/** writeDash "populate.<host>", "populate.<host>.<source>", "krops.<host>.<word>". */
const SCRIPT = /\/nix\/store\/[a-z0-9]{32}-(?:krops|populate)\.[^/]*$/u;
const POPULATE = /\/nix\/store\/[a-z0-9]{32}-populate\.[^/]*$/u;

/** Reads its scripts and runs none. */
export async function readResult(place: MethodPlace<KropsTool>): Promise<Result> {
  const result = `${place.tree}/result`;
  const options = { timeoutSeconds: LOOK, quiet: true };
  const closure = await place.run(["nix-store", "--query", "--requisites", result], options);
  if (closure.exitCode !== 0) return unreadable(closure.log);
  const scripts = closure.stdout.split("\n").filter((path) => SCRIPT.test(path));
  const main = await place.run(["cat", "--", result], options);
  if (main.exitCode !== 0) return unreadable(main.log);
  const others = scripts.length === 0 ? null : await place.run(["cat", "--", ...scripts], options);
  if (others !== null && others.exitCode !== 0) return unreadable(others.log);
  const text = `${main.stdout}\n${others?.stdout ?? ""}`;
  return {
    kind: "read",
    calls: sshCalls(text),
    rebuildsHere: rebuildsHere(text),
    populate: commandsOf(main.stdout).flatMap(([program = ""]) =>
      POPULATE.test(program) && scripts.includes(program) ? [program] : [],
    ),
  };
}

const unreadable = (log: string): Result => ({
  kind: "unreadable",
  why: `what krops.nix was built to cannot be read: ${log}`,
});
