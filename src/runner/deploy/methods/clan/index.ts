import { LACKS } from "../../../../core/deploy/lacks.ts";
import type { ToolWork } from "../../../../protocol/tool.ts";
import type { MethodEnd, MethodModule, MethodPlace, ToolEnd } from "../method.ts";
import { compared, folderOf, NIX, plainFolder, urlHost } from "../shared/flake.ts";
import { inhibitedBy } from "../shared/switch.ts";
import { BUILD_SECONDS, failed, inOrder, lookFor, opensShell } from "../shared/tools.ts";
import { nameTree, type TreeName } from "../shared/tree.ts";
import type { DeployWork } from "../../../../protocol/machine.ts";
import { lackingVars, wasPassedOver } from "./words.ts";

/**
 * `clan machines update`, told everything that it would else take from the repository or from whoever sits before it: the
 * address, the place where it builds, that host keys are strict, that settings of the flake are not taken. What it does and
 * how it lies: clan-lol/clan-core@d7c35d91
 * pkgs/clan-cli/clan_cli/machines/update.py (`update_command`), clan_lib/machines/update.py (`_nixos_activate`),
 * clan_lib/vars/{check,generate}.py, clan_lib/git/__init__.py.
 */
type Clan = Extract<ToolWork, { kind: "clan" }>;
type Place = MethodPlace<Clan>;

/** The checkout as it was before clan was at it. A weak key: a deploy that ends takes its own with it. */
const before = new WeakMap<DeployWork, TreeName>();

export const clan: MethodModule<Clan> = {
  name: "clan",
  artefact: "closure",
  alone: true,
  lacks: LACKS.clan,

  async check(place) {
    const looked = await inOrder(
      () => plainFolder(folderOf(place)),
      () => opensShell(place),
      () => isRoot(place),
      () => lookFor(place, ["clan", "--help"]),
      () => isListed(place),
      // First its own: the words are about it. An update generates what any machine of the clan lacks.
      () => checkVars(place, [place.tool.machine]),
      () => checkVars(place, []),
    );
    if (looked.kind !== "done") return looked;
    const tree = await nameTree(place, "clan-before.git");
    if (tree.kind === "unknown")
      return { kind: "failed", why: `the checkout could not be looked at: ${tree.why}` };
    before.set(place.work, tree);
    return { kind: "done" };
  },

  async build(place) {
    // As clan does it: the tree goes to the store first, and what is evaluated is that store path, which has no revision.
    const metadata = await place.run([...NIX, "flake", "metadata", "--json", folderOf(place)], {
      timeoutSeconds: BUILD_SECONDS,
    });
    if (metadata.exitCode !== 0) return failed("`nix flake metadata`", metadata);
    const source = storePathIn(metadata.stdout);
    if (source === null)
      return { kind: "failed", why: "`nix flake metadata` names no store path of the checkout" };
    const system = await place.run(
      [
        ...NIX,
        "eval",
        "--raw",
        "--option",
        "accept-flake-config",
        "false",
        `${source}#nixosConfigurations."${place.tool.machine}".config.system.build.toplevel.outPath`,
      ],
      { timeoutSeconds: BUILD_SECONDS },
    );
    if (system.exitCode !== 0) return failed(`evaluating ${place.tool.machine}`, system);
    return compared(
      place,
      system.stdout.trim(),
      "clan",
      "it evaluates a copy of the tree without a revision, and the flake at its root",
    );
  },

  async activate(place) {
    const { host, user, port } = place.ssh;
    const end = await place.run(
      [
        ...command(place, "machines", "update"),
        "--build-host",
        "localhost",
        "--host-key-check",
        "strict",
        "--target-host",
        `${user}@${urlHost(host)}:${port}`,
        place.tool.machine,
      ],
      { env: ENVIRONMENT, timeoutSeconds: place.work.limits.activationSeconds },
    );
    const said = withoutOutput(end);
    const skipped = wasPassedOver(end.log);
    if (skipped !== null) return { ...said, skipped };
    const inhibited = end.exitCode === 0 ? null : inhibitedBy(end.log);
    return inhibited === null ? said : { ...said, inhibited };
  },

  async verify(place) {
    const was = before.get(place.work);
    if (was?.kind !== "tree") return ["whether clan changed the checkout is not known"];
    const is = await nameTree(place, "clan-after.git");
    if (is.kind === "unknown") return [`the checkout could not be looked at: ${is.why}`];
    return is.name === was.name
      ? []
      : [
          `clan changed the checkout (${was.name} before, ${is.name} after): what it generated or rewrote would be lost with this runner's copy; run it where it can be committed`,
        ];
  },
};

/** Commits of clan's own would be lost with the checkout; its cache of evaluations could be another tree's. */
const ENVIRONMENT = { CLAN_NO_COMMIT: "1", CLAN_NO_SELECT_DISK_CACHE: "1", NO_COLOR: "1" };

/** Clan takes a flake's settings unless it is told otherwise after its own word for it: the last option wins. */
function command(place: Place, ...words: [string, string]): [string, ...string[]] {
  return ["clan", ...words, "--flake", folderOf(place), "--option", "accept-flake-config", "false"];
}

/** As another user clan asks for a password of sudo's, in a window. */
function isRoot({ policy: { user } }: Place): MethodEnd {
  return user === "root"
    ? { kind: "done" }
    : { kind: "missing", missing: [`a login as root: clan asks a person when it is ${user}`] };
}

/** A name that clan does not know passes its check of vars with exit code 0. */
async function isListed(place: Place): Promise<MethodEnd> {
  const end = await place.run(command(place, "machines", "list"), {
    env: ENVIRONMENT,
    timeoutSeconds: BUILD_SECONDS,
  });
  if (end.exitCode !== 0) return failed("`clan machines list`", end);
  const names = end.stdout.split("\n").map((line) => line.trim());
  return names.includes(place.tool.machine)
    ? { kind: "done" }
    : {
        kind: "missing",
        missing: [`clan's inventory has no machine ${place.tool.machine} (\`clan machines list\`)`],
      };
}

/** @param names none: all of the clan's. */
async function checkVars(place: Place, names: readonly string[]): Promise<MethodEnd> {
  const end = await place.run([...command(place, "vars", "check"), ...names], {
    env: ENVIRONMENT,
    timeoutSeconds: BUILD_SECONDS,
  });
  if (end.exitCode === 0) return { kind: "done" };
  const lacking = lackingVars(end.log);
  const [first, ...others] = lacking;
  if (end.timedOut || end.exitCode === null || first === undefined)
    return failed(`\`clan vars check ${names.join(" ")}\``, end);
  const why =
    names.length > 0
      ? ""
      : "clan generates what any machine of the clan lacks when it updates one, and this checkout is thrown away: ";
  return { kind: "missing", missing: [`${why}${first}`, ...others] };
}

function storePathIn(json: string): string | null {
  try {
    const read: unknown = JSON.parse(json);
    if (typeof read !== "object" || read === null || !("path" in read)) return null;
    return typeof read.path === "string" && read.path.startsWith("/") ? read.path : null;
  } catch {
    return null;
  }
}

function withoutOutput({ exitCode, timedOut, log }: ToolEnd): ToolEnd {
  return { exitCode, timedOut, log };
}
