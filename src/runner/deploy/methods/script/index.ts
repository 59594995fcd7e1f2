import { LACKS } from "../../../../core/deploy/lacks.ts";
import type { ToolWork } from "../../../../protocol/tool.ts";
import type { MethodEnd, MethodModule, MethodPlace } from "../method.ts";
import { opensShell } from "../shared/tools.ts";

/**
 * A command of the repository's own, in its checkout, without a shell. What is known of the machine it is told by its
 * environment; how it gets there is `ssh` on its PATH.
 */
type Script = Extract<ToolWork, { kind: "script" }>;
type Place = MethodPlace<Script>;

export const script: MethodModule<Script> = {
  name: "script",
  artefact: "source",
  lacks: LACKS.script,

  async check(place) {
    const shell = opensShell(place);
    if (shell.kind !== "done") return shell;
    return await isThere(place);
  },

  build: () => Promise.resolve({ kind: "done" }),

  async activate(place) {
    const { exitCode, timedOut, log } = await place.run(command(place), {
      cwd: folderOf(place),
      env: told(place),
      timeoutSeconds: place.work.limits.activationSeconds,
    });
    return { exitCode, timedOut, log };
  },

  verify: () => Promise.resolve([]),
};

/** What a shell would do by itself is no program. */
const CAN_BE_RUN =
  'case $1 in */*) [ -f "$1" ] && [ -x "$1" ] ;; *) found=$(command -v -- "$1") && [ "${found#/}" != "$found" ] ;; esac';

async function isThere(place: Place): Promise<MethodEnd> {
  const folder = folderOf(place);
  const [program] = command(place);
  const asked = await place.run(["test", "-d", folder], { cwd: place.tree, timeoutSeconds: 60 });
  if (asked.exitCode !== 0)
    return { kind: "missing", missing: [`there is no folder ${place.tool.directory}`] };
  // A path is looked up from the folder, a name on the PATH of the runner's tools.
  const found = await place.run(["sh", "-c", CAN_BE_RUN, "sh", program], {
    cwd: folder,
    timeoutSeconds: 60,
  });
  return found.exitCode === 0
    ? { kind: "done" }
    : {
        kind: "missing",
        missing: [
          `${program} is no program that can be run, neither in ${place.tool.directory} of the checkout nor on the PATH of this runner's tools`,
        ],
      };
}

function command({ tool }: Place): [string, ...string[]] {
  const [program = "", ...rest] = tool.argv;
  return [program, ...rest];
}

function folderOf({ tree, tool }: Place): string {
  return tool.directory === "." ? tree : `${tree}/${tool.directory}`;
}

/** Names of the machine, its address and the deploy's number; no secret. */
function told({ work, ssh }: Place): Record<string, string> {
  return {
    SNOWCAT_MACHINE: work.machine.name,
    SNOWCAT_HOST: ssh.host,
    SNOWCAT_PORT: String(ssh.port),
    SNOWCAT_USER: ssh.user,
    SNOWCAT_SHA: work.sha,
    SNOWCAT_COUNTER: String(work.counter),
  };
}
