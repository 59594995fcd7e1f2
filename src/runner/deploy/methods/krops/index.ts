import { LACKS } from "../../../../core/deploy/lacks.ts";
import type { Observation } from "../../../../protocol/machine.ts";
import { describeFault } from "../../engine/parts.ts";
import type { MethodEnd, MethodModule, MethodPlace, ToolEnd } from "../method.ts";
import { keepSources, NOT_KEPT, restoreSources } from "./before.ts";
import { layOverlay } from "./lay.ts";
import { readResult } from "./result.ts";
import { objectionsTo } from "./script.ts";
import { NO_SETTINGS } from "./settings.ts";
import { noticesOf, tell } from "./told.ts";
import type { KropsTool } from "./tool.ts";
import { danglingLinks, failed, hashesOf, holdsAnything, missing, narHashOf } from "./tree.ts";

type Place = MethodPlace<KropsTool>;

/** What is known of a deploy from one step to the next. */
type Deploy = {
  /** SHA-256 of each file that is compared, by its path on the machine, as it was when it was sent. */
  sent: Map<string, string>;
  /** Programs that only send. */
  populate: readonly string[];
  /** What ran before the tool did; null: not seen. */
  before: string | null;
  end: ToolEnd | null;
};
const deploys = new WeakMap<Place, Deploy>();

/**
 * krops: files go to /var/src of the machine, which builds and switches by itself with `nixos-rebuild`. Two stages in one
 * checkout (KRO-1): what `build-local.nix` makes, then what `krops.nix` sends. Of its behaviour each line here is by
 * krebs/krops pkgs/krops/default.nix and pkgs/populate/default.nix@a6c7ecd.
 */
export const krops: MethodModule<KropsTool> = {
  name: "krops",
  artefact: "source",
  lacks: LACKS.krops,
  check,
  build,
  activate,
  verify,
  notices: noticesOf,
  rollBack,
};

async function check(place: Place): Promise<MethodEnd> {
  const { tool, policy, machine } = place;
  if (policy.program === "installed")
    return missing([
      "a key that opens a shell on the machine: the one in the policy runs Snowcat's program only, and krops brings commands of its own",
    ]);
  const laid = await layOverlay(place);
  if (laid.kind !== "done") return laid;
  const dangling = await danglingLinks(place);
  if (dangling.length > 0)
    return missing(dangling.map((path) => `a link of the checkout leads nowhere: ${path}`));
  const hashes = await hashesOf(place, filesOf(tool));
  const lacking = filesOf(tool).filter((path) => !hashes.has(path));
  if (lacking.length > 0) return missing(lacking.map((path) => `${path} is not there`));
  const looked = await machine.digest({ paths: [tool.sentinel] });
  if (looked.kind !== "done") return failed(describeFault(looked));
  if (looked.value[0]?.kind === "missing")
    return missing([
      `the sentinel ${tool.sentinel} is not on the machine: krops sends nothing to a machine that was not prepared for it. Create it there once: mkdir -p, then touch`,
    ]);
  return { kind: "done" };
}

/** Both stages' Nix and the first stage itself: nothing is sent. */
async function build(place: Place): Promise<MethodEnd> {
  const { tool, work, policy, ssh } = place;
  const timeoutSeconds = work.limits.copySeconds;
  const options = { cwd: place.tree, timeoutSeconds };
  if (tool.build.local !== null) {
    const local = await place.run(nixBuild(tool.build.local, tool.attribute), options);
    if (local.exitCode !== 0) return failed(ended(`nix-build ${tool.build.local}`, local));
    const program = `${place.tree}/result/bin/build-${tool.attribute}`;
    const made = await place.run([program], options);
    if (made.exitCode !== 0) return failed(ended(`build-${tool.attribute}`, made));
  }
  for (const dist of tool.dist)
    if (!(await holdsAnything(place, dist)))
      return failed(`${dist} is empty: rsync would wipe what the machine has of it`);
  const sent = new Map<string, string>();
  for (const { from, to, files } of tool.sources) {
    const paths = files.map((file) => `${from}/${file}`);
    const hashes = await hashesOf(place, paths);
    for (const [index, path] of paths.entries()) {
      const hash = hashes.get(path);
      if (hash === undefined) return failed(`${path} is gone after the local build`);
      sent.set(`${to}/${files[index]}`, hash);
    }
    tell(
      place,
      `source ${from}: narHash ${(await narHashOf(place, from, timeoutSeconds)) ?? "not known"}`,
    );
  }
  const made = await place.run(nixBuild(tool.build.krops, tool.attribute), options);
  if (made.exitCode !== 0) return failed(ended(`nix-build ${tool.build.krops}`, made));
  const result = await readResult(place);
  if (result.kind === "unreadable") return failed(result.why);
  const { hosts } = policy.krops ?? NO_SETTINGS;
  const objections = objectionsTo(result.calls, {
    names: [...new Set([ssh.host, policy.address, work.machine.name, ...hosts])],
    port: ssh.port,
  });
  if (result.rebuildsHere)
    objections.push(
      "it runs nixos-rebuild on this runner: its target or its `buildTarget` is here",
    );
  if (objections.length > 0)
    return failed(`${tool.build.krops} of ${tool.attribute} is not run: ${objections.join("; ")}`);
  deploys.set(place, { sent, populate: result.populate, before: null, end: null });
  return { kind: "done" };
}

/** What was there is kept on the machine, then `./result` runs once. */
async function activate(place: Place): Promise<ToolEnd> {
  const { work, tool, machine } = place;
  const deploy = deploys.get(place);
  if (deploy === undefined) throw new Error("krops is activated before it was built");
  const kept = await onMachine(place, keepSources(tool.sentinel, work.counter));
  if (kept.exitCode !== 0)
    return { ...kept, log: `the sources of before could not be kept: ${kept.log}` };
  const before = await machine.observe();
  deploy.before = before.kind === "done" ? before.value.system : null;
  const end = await place.run([`${place.tree}/result`], {
    cwd: place.tree,
    timeoutSeconds: work.limits.activationSeconds,
  });
  const { exitCode, timedOut, log } = end;
  const sentinel = /^error: missing sentinel file: .*$/mu.exec(log)?.[0];
  deploy.end = {
    exitCode,
    timedOut,
    log,
    ...(sentinel === undefined ? {} : { skipped: sentinel }),
  };
  return deploy.end;
}

/**
 * The tool's exit code may be another program's (`nixos-rebuild … | nom`), so nothing here goes by it.
 * KRO-5, KRO-6.
 */
async function verify(place: Place, after: Observation): Promise<readonly string[]> {
  const deploy = deploys.get(place);
  if (deploy === undefined) return ["krops was not built here: what it sent is not known"];
  const wrong: string[] = [];
  const { before, end } = deploy;
  if (before !== null && after.system === before && !SWITCHED.test(end?.log ?? ""))
    wrong.push(
      `krops exited with ${end?.exitCode ?? "a signal"}, but the machine runs what it ran before, and nothing says that it switched`,
    );
  if (after.profile !== null && after.system !== after.profile.system)
    wrong.push(
      `the machine runs ${after.system ?? "nothing that is known"}, and its profile is ${after.profile.system}`,
    );
  return [...wrong, ...(await notAsSent(place, deploy))];
}

async function notAsSent(place: Place, { sent }: Deploy): Promise<string[]> {
  const paths = [...sent.keys()];
  if (paths.length === 0) return [];
  const looked = await place.machine.digest({ paths });
  if (looked.kind !== "done") return [describeFault(looked)];
  return paths.flatMap((path, index) => {
    const there = looked.value[index];
    if (there?.kind !== "file") return [`${path} is not on the machine`];
    return there.sha256 === sent.get(path)
      ? []
      : [`${path} on the machine is not the one that was deployed (SHA-256 differs)`];
  });
}

/**
 * KRO-8. `sick`: from what the machine kept. `asked`: the same where that was kept when the wanted system ran, for of what lay
 * outside of the repository nobody else has it; otherwise the place's tree, the earlier revision, is sent. That it runs again
 * is the generation's, which was built of them.
 */
async function rollBack(place: Place, why: "asked" | "sick"): Promise<ToolEnd> {
  const { tool, work } = place;
  if (why === "sick") return await onMachine(place, restoreSources(tool.sentinel, work));
  const system = work.action.kind === "generation" ? work.action.system : null;
  if (system !== null) {
    const kept = await onMachine(place, restoreSources(tool.sentinel, { system }));
    if (kept.exitCode !== NOT_KEPT) return kept;
  }
  for (const step of [check, build]) {
    const done = await step(place);
    if (done.kind === "failed") return unsent(done.why);
    if (done.kind === "missing") return unsent(done.missing.join("\n"));
  }
  const deploy = deploys.get(place);
  if (deploy === undefined || deploy.populate.length === 0)
    return unsent("what sends and what switches cannot be told apart in its script");
  tell(place, "what is sent from outside of the repository is the overlay's of today");
  for (const program of deploy.populate) {
    const end = await place.run([program], {
      cwd: place.tree,
      timeoutSeconds: work.limits.activationSeconds,
    });
    if (end.exitCode !== 0) return end;
  }
  const wrong = await notAsSent(place, deploy);
  return wrong.length === 0
    ? { exitCode: 0, timedOut: false, log: "" }
    : { exitCode: 1, timedOut: false, log: wrong.join("\n") };
}

const unsent = (log: string): ToolEnd => ({ exitCode: null, timedOut: false, log });

/** By the same way that the tool takes. */
async function onMachine(place: Place, script: string): Promise<ToolEnd> {
  const { ssh, policy, work } = place;
  const shell = policy.sudo ? ["sudo", "-n", "sh", "-s"] : ["sh", "-s"];
  return await place.run([ssh.command, "-T", ssh.host, ...shell], {
    timeoutSeconds: work.limits.activationSeconds,
    stdin: script,
  });
}

/** switch-to-configuration says so, whatever stands between it and us: NixOS/nixpkgs switch-to-configuration-ng. */
const SWITCHED = /^activating the configuration/mu;

const nixBuild = (file: string, attribute: string): [string, ...string[]] => [
  "nix-build",
  `./${file}`,
  "-A",
  attribute,
];

const filesOf = (tool: KropsTool): string[] =>
  tool.sources.flatMap(({ from, files }) => files.map((file) => `${from}/${file}`));

function ended(what: string, { exitCode, timedOut, log }: ToolEnd): string {
  const how = timedOut ? "was over its time limit" : `exited with ${exitCode ?? "a signal"}`;
  return log === "" ? `${what} ${how}` : `${what} ${how}\n${log}`;
}
