import type { MethodEnd, MethodPlace, ToolEnd } from "../method.ts";

/** Of a tool that only says who it is. */
const LOOK_SECONDS = 60;
/** Of what evaluates or builds before the machine is changed. */
export const BUILD_SECONDS = 1_800;

/** What a runner that has the tool lacks nothing of; else that it is missing, and what was said instead. */
export async function lookFor(
  place: Pick<MethodPlace, "run">,
  argv: readonly [string, ...string[]],
): Promise<MethodEnd> {
  const end = await place.run(argv, { timeoutSeconds: LOOK_SECONDS });
  if (end.exitCode === 0) return { kind: "done" };
  return {
    kind: "missing",
    missing: [
      `\`${argv.join(" ")}\` ${describeEnd(end)}: ${argv[0]} has to be on the PATH of this runner's tools${tail(end)}`,
    ],
  };
}

/** A key that is bound to Snowcat's own program runs no command of a tool's. */
export function opensShell({ policy }: Pick<MethodPlace, "policy">): MethodEnd {
  return policy.program === "sent"
    ? { kind: "done" }
    : {
        kind: "missing",
        missing: [
          "a key that opens a shell on the machine: the one in the policy runs Snowcat's program only, and the tool brings commands of its own",
        ],
      };
}

/** The first that is not done. */
export async function inOrder(
  ...steps: readonly (() => MethodEnd | Promise<MethodEnd>)[]
): Promise<MethodEnd> {
  for (const step of steps) {
    const end = await step();
    if (end.kind !== "done") return end;
  }
  return { kind: "done" };
}

/** How it ended, in words. */
export function describeEnd({ exitCode, timedOut }: ToolEnd): string {
  if (timedOut) return "was over its time limit";
  return exitCode === null ? "was stopped or never began" : `exited with ${exitCode}`;
}

export function failed(what: string, end: ToolEnd): MethodEnd {
  return { kind: "failed", why: `${what} ${describeEnd(end)}${tail(end)}` };
}

/** The end of what it said, on lines of its own. */
function tail({ log }: ToolEnd): string {
  const said = log.trim().slice(-2_000);
  return said === "" ? "" : `\n${said}`;
}
