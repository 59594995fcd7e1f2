import { LACKS } from "../../../../core/deploy/lacks.ts";
import type { ToolWork } from "../../../../protocol/tool.ts";
import type { MethodEnd, MethodModule, MethodPlace, ToolEnd } from "../method.ts";
import { folderOf, NIX, plainFolder, urlHost } from "../shared/flake.ts";
import { inhibitedBy, isBeforeBootEntry, UNITS_FAILED } from "../shared/switch.ts";
import { BUILD_SECONDS, failed, inOrder, lookFor, opensShell } from "../shared/tools.ts";
import { objectionTo, readSaid, saidBy } from "./node.ts";

/**
 * `deploy` of one profile of one node, with no rollback of its own: two that take back one machine, each by its own clock,
 * would go back by two generations. What it does and how it lies: serokell/deploy-rs@d5eff7f9 src/cli.rs, src/deploy.rs,
 * src/push.rs, src/bin/activate.rs, flake.nix (`lib.activate`).
 */
type DeployRs = Extract<ToolWork, { kind: "deploy-rs" }>;
type Place = MethodPlace<DeployRs>;

export const deployRs: MethodModule<DeployRs> = {
  name: "deploy-rs",
  artefact: "closure",
  lacks: LACKS["deploy-rs"],

  async check(place) {
    return await inOrder(
      () => plainFolder(folderOf(place)),
      () => opensShell(place),
      () => lookFor(place, ["deploy", "--version"]),
    );
  },

  async build(place) {
    const { node, profile } = place.tool;
    const asked = await nix(
      place,
      "eval",
      "--json",
      `${folderOf(place)}#deploy`,
      "--apply",
      saidBy(node, profile),
    );
    if (asked.exitCode !== 0) return failed(`evaluating deploy.nodes.${node}`, asked);
    const said = readSaid(asked.stdout);
    if (said === null)
      return { kind: "failed", why: `deploy.nodes.${node}.profiles.${profile} is not a profile` };
    const objection = objectionTo(said, profile, place.ssh.user);
    if (objection !== null) return { kind: "failed", why: objection };
    const built = await nix(
      place,
      "build",
      "--no-link",
      `${folderOf(place)}#deploy.nodes."${node}".profiles."${profile}".path`,
    );
    if (built.exitCode !== 0) return failed(`building deploy.nodes.${node}`, built);
    return await isWrapperOf(place, said.path);
  },

  async activate(place) {
    const end = await deploy(place, []);
    const inhibited = end.exitCode === 0 ? null : inhibitedBy(end.log);
    if (inhibited === null) return withCode(end);
    if (!isBeforeBootEntry(end.log)) return { ...end, inhibited };
    // Its profile is the new system already, and its boot entry is not.
    place.say("only a reboot brings it: deploy-rs writes the boot entry");
    const boot = await deploy(place, ["--boot"]);
    const log = `${end.log}\n${boot.log}`;
    return boot.exitCode === 0 ? { ...end, log, inhibited } : { ...boot, log };
  },

  verify: () => Promise.resolve([]),
};

/** The package's programs are links into the system that it wraps: what they lead to is what would be activated. */
async function isWrapperOf(place: Place, wrapper: string): Promise<MethodEnd> {
  const { system } = place;
  for (const name of ["activate", "bin/switch-to-configuration"]) {
    const end = await place.run(
      ["realpath", "--canonicalize-existing", "--", `${wrapper}/${name}`, `${system}/${name}`],
      { timeoutSeconds: 10 },
    );
    const [wrapped, own] = end.stdout.trim().split("\n");
    if (end.exitCode === 0 && wrapped !== undefined && wrapped === own) continue;
    const found =
      end.exitCode === 0
        ? `leads to ${wrapped}`
        : `cannot be followed: ${end.log.trim().slice(-500)}`;
    return {
      kind: "failed",
      why: `deploy-rs would deploy ${wrapper}, whose ${name} ${found}; approved was ${system}. Its path has to be \`deploy-rs.lib.….activate.nixos\` of the machine's configuration`,
    };
  }
  return { kind: "done" };
}

async function deploy(place: Place, more: readonly string[]): Promise<ToolEnd> {
  const { node, profile } = place.tool;
  const { host, user } = place.ssh;
  const { exitCode, timedOut, log } = await place.run(
    [
      "deploy",
      // Checks of the flake are another job's, and building them here would be neither timed nor told.
      "--skip-checks",
      "--auto-rollback",
      "false",
      "--magic-rollback",
      "false",
      "--rollback-succeeded",
      "false",
      "--interactive-sudo",
      "false",
      // Nothing but what this runner has goes to the machine.
      "--fast-connection",
      "true",
      "--hostname",
      urlHost(host),
      "--ssh-user",
      user,
      // Instead of the node's own, which could name another key, another host on the way, or forward the agent.
      "--ssh-opts=-oBatchMode=yes",
      ...more,
      `${folderOf(place)}#"${node}"."${profile}"`,
    ],
    { timeoutSeconds: place.work.limits.activationSeconds },
  );
  return { exitCode, timedOut, log };
}

/** Whatever failed, it ends with 1; its program on the machine says how the activation had ended (`RunActivateExit`). */
function withCode(end: ToolEnd): ToolEnd {
  const code = /activation script resulted in a bad exit code: Some\((\d{1,3})\)/u.exec(
    end.log,
  )?.[1];
  return end.exitCode === 1 && Number(code) === UNITS_FAILED
    ? { ...end, exitCode: UNITS_FAILED }
    : end;
}

async function nix(place: Place, ...words: readonly string[]) {
  const [command, ...options] = words;
  return await place.run(
    [...NIX, command ?? "", "--option", "accept-flake-config", "false", ...options],
    { timeoutSeconds: BUILD_SECONDS },
  );
}
