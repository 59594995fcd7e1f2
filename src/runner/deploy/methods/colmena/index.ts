import { LACKS } from "../../../../core/deploy/lacks.ts";
import type { ToolWork } from "../../../../protocol/tool.ts";
import type { MethodEnd, MethodModule, MethodPlace, ToolEnd } from "../method.ts";
import { compared, folderOf, plainFolder } from "../shared/flake.ts";
import { inhibitedBy, isBeforeBootEntry, UNITS_FAILED } from "../shared/switch.ts";
import { BUILD_SECONDS, failed, inOrder, lookFor, opensShell } from "../shared/tools.ts";

/**
 * `colmena apply` of one node, never built on the machine. What it does and how it lies: zhaofengli/colmena@5bf4ce6a
 * src/command/apply.rs, src/nix/hive/mod.rs (`select_nodes`), src/nix/deployment/mod.rs (`activate_node`),
 * src/nix/host/ssh.rs.
 */
type Colmena = Extract<ToolWork, { kind: "colmena" }>;
type Place = MethodPlace<Colmena>;

export const colmena: MethodModule<Colmena> = {
  name: "colmena",
  artefact: "closure",
  lacks: LACKS.colmena,

  async check(place) {
    return await inOrder(
      () => plainFolder(folderOf(place)),
      () => opensShell(place),
      () => lookFor(place, ["colmena", "--version"]),
      () => hasHive(place),
    );
  },

  async build(place) {
    const end = await colmenaOf(place, ["build"], BUILD_SECONDS);
    const missed = passedOver(end.log);
    if (missed !== null) return { kind: "failed", why: missed };
    if (end.exitCode !== 0) return failed(`\`colmena build --on ${place.tool.node}\``, end);
    return compared(
      place,
      builtIn(end.log) ?? "",
      "colmena",
      `the machine's attribute has to be the node's own system, such as \`colmenaHive.toplevel.${place.tool.node}\``,
    );
  },

  async activate(place) {
    const { activationSeconds } = place.work.limits;
    const end = await apply(place, "switch", activationSeconds);
    const skipped = passedOver(end.log);
    if (skipped !== null) return { ...end, skipped };
    const inhibited = end.exitCode === 0 ? null : inhibitedBy(end.log);
    if (inhibited === null) return withCode(end);
    if (!isBeforeBootEntry(end.log)) return { ...end, inhibited };
    // Its profile is the new system already, and its boot entry is not.
    place.say("only a reboot brings it: colmena writes the boot entry");
    const boot = await apply(place, "boot", activationSeconds);
    const log = `${end.log}\n${boot.log}`;
    return boot.exitCode === 0 ? { ...end, log, inhibited } : { ...boot, log };
  },

  verify: () => Promise.resolve([]),
};

async function hasHive(place: Place): Promise<MethodEnd> {
  if ((await hiveOf(place)) !== null) return { kind: "done" };
  const { directory } = place.tool;
  return { kind: "missing", missing: [`there is no flake.nix and no hive.nix in ${directory}`] };
}

/** `flake.nix` where there is one, as colmena itself prefers it. */
async function hiveOf(place: Place): Promise<string | null> {
  for (const name of ["flake.nix", "hive.nix"]) {
    const file = `${folderOf(place)}/${name}`;
    const end = await place.run(["test", "-f", file], { timeoutSeconds: 10 });
    if (end.exitCode === 0) return file;
  }
  return null;
}

/** Nothing but what this runner has goes to the machine: it has no word with substituters of its own. */
async function apply(place: Place, goal: "switch" | "boot", seconds: number): Promise<ToolEnd> {
  return await colmenaOf(place, ["apply", goal, "--parallel", "1", "--no-substitute"], seconds);
}

async function colmenaOf(
  place: Place,
  words: readonly string[],
  timeoutSeconds: number,
): Promise<ToolEnd> {
  const hive = await hiveOf(place);
  const { exitCode, timedOut, log } = await place.run(
    [
      "colmena",
      ...words,
      "--config",
      hive ?? `${folderOf(place)}/flake.nix`,
      "--on",
      place.tool.node,
      // A node that asks to be built on itself would be; what was approved was built here.
      "--no-build-on-target",
      "--verbose",
      "--color",
      "never",
    ],
    { timeoutSeconds, env: { SSH_CONFIG_FILE: place.ssh.config } },
  );
  return { exitCode, timedOut, log };
}

/** It ends with 0 where nothing is selected: no node of the name, or one without `deployment.targetHost`. */
function passedOver(log: string): string | null {
  return /No hosts selected/u.test(log)
    ? "colmena selected no host: there is no such node, or it has no `deployment.targetHost`"
    : null;
}

/** Whatever failed, it ends with 1 and says how what it ran had ended: src/error.rs, `ChildFailure`. */
function withCode(end: ToolEnd): ToolEnd {
  const code = [...end.log.matchAll(/exited with error code: (\d{1,3})\b/gu)].at(-1)?.[1];
  return end.exitCode === 1 && Number(code) === UNITS_FAILED
    ? { ...end, exitCode: UNITS_FAILED }
    : end;
}

/** As `{:?}` of a path: in quotes. */
function builtIn(log: string): string | null {
  return [...log.matchAll(/Built "(\/[^"\n]+)"/gu)].map(([, path = ""]) => path).at(-1) ?? null;
}
