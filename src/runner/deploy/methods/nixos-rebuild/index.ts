import { LACKS } from "../../../../core/deploy/lacks.ts";
import type { ToolWork } from "../../../../protocol/tool.ts";
import type { MethodModule, MethodPlace, ToolEnd } from "../method.ts";
import { compared, folderOf, plainFolder, urlHost } from "../shared/flake.ts";
import { inhibitedBy, UNITS_FAILED } from "../shared/switch.ts";
import { BUILD_SECONDS, failed, inOrder, lookFor, opensShell } from "../shared/tools.ts";

/**
 * `nixos-rebuild test --target-host`: it activates, and Snowcat writes profile and boot entry when the machine was found
 * healthy. Both of its kinds are taken: NixOS/nixpkgs@35c631ac pkgs/os-specific/linux/nixos-rebuild/nixos-rebuild.sh, and
 * @d0abcc76 (services.py), @dc876238 (nix.py), @a87ce1b4 (`main`) of pkgs/by-name/ni/nixos-rebuild-ng/src/nixos_rebuild.
 */
type NixosRebuild = Extract<ToolWork, { kind: "nixos-rebuild" }>;
type Place = MethodPlace<NixosRebuild>;

export const nixosRebuild: MethodModule<NixosRebuild> = {
  name: "nixos-rebuild",
  artefact: "closure",
  lacks: LACKS["nixos-rebuild"],

  async check(place) {
    return await inOrder(
      () => plainFolder(folderOf(place)),
      () => opensShell(place),
      // Asked for help it shows a manual page, and fails where there is none.
      () => lookFor(place, ["sh", "-c", "command -v nixos-rebuild"]),
    );
  },

  async build(place) {
    const { scratch, tool } = place;
    const options = { cwd: scratch, timeoutSeconds: BUILD_SECONDS };
    const end = await place.run(["nixos-rebuild", "build", ...words(place)], options);
    if (end.exitCode !== 0) return failed("`nixos-rebuild build`", end);
    // Only one of the two kinds says what it has built; both leave a link to it.
    const link = await place.run(["readlink", "result"], { ...options, quiet: true });
    return compared(
      place,
      link.stdout.trim(),
      "nixos-rebuild",
      `the machine's attribute has to be nixosConfigurations.${tool.configuration}.config.system.build.toplevel`,
    );
  },

  async activate(place) {
    const { ssh, policy, scratch, work } = place;
    const end = await place.run(
      [
        "nixos-rebuild",
        "test",
        ...words(place),
        "--target-host",
        `${ssh.user}@${urlHost(ssh.host)}`,
        ...(policy.sudo ? ["--use-remote-sudo"] : []),
      ],
      { cwd: scratch, timeoutSeconds: work.limits.activationSeconds },
    );
    const { exitCode, timedOut, log } = end;
    const inhibited = exitCode === 0 ? null : inhibitedBy(log);
    return {
      exitCode: unitsFailed(end) ? UNITS_FAILED : exitCode,
      timedOut,
      log,
      ...(inhibited === null ? {} : { inhibited }),
    };
  },

  verify: () => Promise.resolve([]),
};

/** `--fast`: it does not build a nixos-rebuild of the repository's to go on as that one. */
function words(place: Place): string[] {
  return ["--flake", `${folderOf(place)}#${place.tool.configuration}`, "--fast"];
}

/** The older kind ends with 1 for whatever its switch ended with: nixos-rebuild.sh, its last lines before the virtual machines'. */
function unitsFailed({ exitCode, log }: ToolEnd): boolean {
  return (
    exitCode === 1 &&
    /error\(s\) occurred while switching to the new configuration/u.test(log) &&
    /the following units failed:/u.test(log)
  );
}
