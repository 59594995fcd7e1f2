import * as z from "zod";
import type { Units } from "../../../core/deploy/index.ts";
import type { Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean } from "../log/clean.ts";

/** What is read of two systems: units of some hundred services, with their drop-ins, and two activation scripts. */
const OUTPUT_BYTES = 64 * 1_024 * 1_024;
const MEMORY_BYTES = 2 * 1_024 ** 3;
const LONGEST_MS = 120_000;
/** Of one program that a unit starts: scripts are short, and of anything else the beginning says that it is no script. */
const SCRIPT_BYTES = 64 * 1_024;

const System = z.object({
  units: z.record(z.string(), z.string()),
  wanted: z.array(z.string()),
  activation: z.string().nullable(),
  /** Of kernel, initrd, modules, parameters and systemd; null where there is none. */
  boot: z.record(z.string(), z.string().nullable()),
});

export type SystemFiles = {
  units: Units;
  activation: string | null;
  boot: Readonly<Record<string, string | null>>;
};

/**
 * Nix reads the files, as a user of the job's sandbox: whatever a link in the closure points at, it finds nothing that
 * evaluating could not have found. Files are data here; none is executed.
 */
const EXPRESSION = `system:
  let
    folder = system + "/etc/systemd/system";
    entries = at: if builtins.pathExists (at + "/.") then builtins.readDir at else { };
    names = builtins.attrNames (entries folder);
    ends = suffix: name:
      let n = builtins.stringLength name; s = builtins.stringLength suffix; in
      n > s && builtins.substring (n - s) s name == suffix;
    isUnit = name: builtins.any (suffix: ends suffix name)
      [ ".service" ".socket" ".timer" ".path" ".slice" ".mount" ".automount" ".swap" ".target" ];
    # A unit that is masked is a link to /dev/null.
    read = at: if builtins.pathExists (at + "/.") then "" else builtins.readFile at;
    dropIns = name: map (file: read (folder + "/" + name + ".d/" + file))
      (builtins.filter (ends ".conf") (builtins.attrNames (entries (folder + "/" + name + ".d"))));
    unit = name: {
      inherit name;
      value = builtins.unsafeDiscardStringContext
        (builtins.concatStringsSep "\\n" ([ (read (folder + "/" + name)) ] ++ dropIns name));
    };
    hash = at: if !builtins.pathExists at then null
      else if builtins.pathExists (at + "/.") then builtins.concatStringsSep " " (builtins.attrNames (builtins.readDir at))
      else builtins.hashFile "sha256" at;
    first = list: let there = builtins.filter builtins.pathExists list; in
      if there == [ ] then null else hash (builtins.head there);
  in {
    units = builtins.listToAttrs (map unit (builtins.filter isUnit names));
    wanted = builtins.concatMap (name: builtins.attrNames (entries (folder + "/" + name)))
      (builtins.filter (name: ends ".wants" name || ends ".requires" name) names);
    activation = if builtins.pathExists (system + "/activate") then builtins.unsafeDiscardStringContext (builtins.readFile (system + "/activate")) else null;
    boot = {
      kernel = hash (system + "/kernel");
      initrd = hash (system + "/initrd");
      modules = first [ (system + "/kernel-modules/lib/modules") (system + "/kernel-modules") ];
      parameters = hash (system + "/kernel-params");
      systemd = first [ (system + "/systemd/lib/systemd/systemd") (system + "/systemd/systemd") ];
    };
  }`;

/** Units, activation and what boots of each of these systems. All of them are in the store. Throws when one cannot be read. */
export async function readSystems(
  workspace: Workspace,
  systems: readonly string[],
  signal: AbortSignal,
): Promise<SystemFiles[]> {
  const list = systems.map((system) => JSON.stringify(system)).join(" ");
  const result = await workspace.launch({
    argv: ["nix", "eval", "--impure", "--json", "--expr", `map (${EXPRESSION}) [ ${list} ]`],
    network: "none",
    memoryBytes: MEMORY_BYTES,
    timeoutMs: LONGEST_MS,
    maxOutput: OUTPUT_BYTES,
    graceMs: 0,
    signal,
  });
  signal.throwIfAborted();
  if (!ended(result) || result.truncated)
    throw new Error(
      `the units could not be read: nix eval ${describeLaunch(result)}${result.truncated ? ", and printed too much" : ""}: ${clean(text(result.stderr)).slice(-500)}`,
    );
  return z
    .array(System)
    .parse(JSON.parse(text(result.stdout)))
    .map(({ units, wanted, activation, boot }) => ({
      units: { texts: new Map(Object.entries(units)), wanted: new Set(wanted) },
      activation,
      boot,
    }));
}

/** The text of a program in the store, where it is a script of a closure's; else nothing. */
export async function readScript(
  workspace: Workspace,
  program: string,
  closure: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<string> {
  const store = /^\/nix\/store\/[0-9a-z]{32}-[^/]+/u.exec(program)?.[0];
  if (store === undefined || !closure.has(store) || program.includes("..")) return "";
  const result = await workspace.launch({
    argv: ["nix", "store", "cat", "--offline", program],
    network: "none",
    timeoutMs: LONGEST_MS,
    maxOutput: SCRIPT_BYTES,
    signal,
  });
  signal.throwIfAborted();
  // A link, or nothing: what cannot be read warns of nothing.
  if (result.exitCode !== 0) return "";
  const found = text(result.stdout);
  return found.startsWith("#!") && !found.includes("\u0000") ? found : "";
}
