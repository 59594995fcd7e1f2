import { INVENTORY, type InventoryMachine } from "../../../protocol/impact.ts";
import * as z from "zod";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean } from "../log/clean.ts";
import type { Evaluator } from "./walk.ts";

/** The output of a flake that clan made. Its inventory is data; `clanInternals` is never looked at. */
export const INVENTORY_OUTPUT = "clan";

/** Names and tags of some thousand machines; it is a small part of an evaluation. */
const OUTPUT_BYTES = 2 * 1_024 * 1_024;
const LONGEST_MS = 120_000;

/** What is not as clan has it is left out: a class that is no text is NixOS, tags that are none are none. */
const EXPRESSION = `outputs:
  let
    machines = outputs.clan.inventory.machines or { };
    texts = list: if builtins.isList list then builtins.filter builtins.isString list else [ ];
    machine = name:
      let given = machines.\${name}; class = given.machineClass or null; in
      { machine = name; class = if builtins.isString class then class else "nixos"; tags = texts (given.tags or null); };
  in map machine (builtins.attrNames machines)`;

const Printed = z.array(
  z.object({ machine: z.string(), class: z.string(), tags: z.array(z.string()) }),
);

/** The machines that a clan's inventory names, with class and tags; or why they cannot be read. */
export async function readInventory(
  { workspace, root, arguments: options, memoryBytes, signal }: Evaluator,
  selection: number,
  timeoutMs: number,
): Promise<{ machines: InventoryMachine[] } | { why: string }> {
  const result = await workspace.launch({
    argv: ["nix", "eval", "--json", ...options, "--expr", `(${EXPRESSION}) (${root.outputs})`],
    network: "none",
    memoryBytes,
    timeoutMs: Math.max(1, Math.min(timeoutMs, LONGEST_MS)),
    maxOutput: OUTPUT_BYTES,
    graceMs: 0,
    signal,
  });
  signal.throwIfAborted();
  if (result.truncated) return { why: `it has more than ${OUTPUT_BYTES} bytes` };
  if (!ended(result)) {
    const said = clean(text(result.stderr));
    // What stands before is Nix's, about the network.
    const error = said.slice(Math.max(0, said.indexOf("error:"))).trim();
    return { why: `nix eval ${describeLaunch(result)}: ${error.slice(0, 500)}` };
  }
  const read = Printed.safeParse(JSON.parse(text(result.stdout)));
  if (!read.success) return { why: "its machines are not what clan's are" };
  const machines = read.data.slice(0, INVENTORY.machines).map(({ machine, class: of, tags }) => ({
    selection,
    machine: machine.slice(0, 255),
    class: of.slice(0, 64),
    tags: tags.slice(0, INVENTORY.tags).map((tag) => tag.slice(0, 128)),
  }));
  return { machines };
}
