import { INVENTORY, type InventoryMachine } from "../../../protocol/impact.ts";
import * as z from "zod";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean } from "../log/clean.ts";
import { withHint } from "./hints.ts";
import type { Evaluator } from "./walk.ts";

/** The output of a flake that clan made. Its inventory is data; `clanInternals` is never looked at. */
export const INVENTORY_OUTPUT = "clan";

/** Names and tags of some thousand machines; it is a small part of an evaluation. */
const OUTPUT_BYTES = 2 * 1_024 * 1_024;
const LONGEST_MS = 120_000;

/** What is not as clan has it is left out: a class that is no text is NixOS, tags that are none are none. */
const EXPRESSION = `outputs:
  let
    inventory = outputs.clan.inventory;
    machines = inventory.machines or { };
    set = given: if builtins.isAttrs given then given else { };
    texts = list: if builtins.isList list then builtins.filter builtins.isString list else [ ];
    text = given: if builtins.isString given then given else null;
    # What throws is none; what keeps a machine as it is, keeps it then as well.
    orElse = other: value: let found = builtins.tryEval value; in if found.success then found.value else other;
    quiet = orElse null;
    instances = builtins.attrValues (set (inventory.instances or null));
    # A role has machines by their names, and by tags; \`all\` is every machine's tag.
    has = name: tags: role:
      (set (role.machines or null)) ? \${name}
      || builtins.any (tag: builtins.elem tag ([ "all" ] ++ tags))
        (if builtins.isList (role.tags or null) then texts role.tags else builtins.attrNames (set (role.tags or null)));
    rolesOf = name: tags: builtins.concatMap
      (instance: let roles = set (instance.roles or null); in
        builtins.filter (role: has name tags (set roles.\${role})) (builtins.attrNames roles))
      (map set instances);
    machine = name:
      let given = set machines.\${name}; class = given.machineClass or null; tags = texts (given.tags or null);
        deploy = set (quiet (given.deploy or null)); in
      {
        machine = name;
        class = if builtins.isString class then class else "nixos";
        inherit tags;
        roles = rolesOf name tags;
        targetHost = text (quiet (deploy.targetHost or null));
        explicit = orElse true (deploy.requireExplicitUpdate or false) == true;
        hold = text (orElse "why it is held cannot be evaluated" (given.hold or null));
      };
  in map machine (builtins.attrNames machines)`;

const Printed = z.array(
  z.object({
    machine: z.string(),
    class: z.string(),
    tags: z.array(z.string()),
    roles: z.array(z.string()),
    targetHost: z.string().nullable(),
    explicit: z.boolean(),
    hold: z.string().nullable(),
  }),
);

/** The machines that a clan's inventory names, with class and tags; or why they cannot be read. */
export async function readInventory(
  evaluator: Evaluator,
  selection: number,
  timeoutMs: number,
): Promise<{ machines: InventoryMachine[] } | { why: string }> {
  const asked = await ask(evaluator, EXPRESSION, timeoutMs);
  if ("why" in asked) return asked;
  const read = Printed.safeParse(asked.value);
  if (!read.success) return { why: "its machines are not what clan's are" };
  const bounded = (words: readonly string[]): string[] =>
    [...new Set(words)].slice(0, INVENTORY.tags).map((word) => word.slice(0, 128));
  const machines = read.data.slice(0, INVENTORY.machines).map((one) => ({
    selection,
    machine: one.machine.slice(0, 255),
    class: one.class.slice(0, 64),
    tags: bounded(one.tags),
    roles: bounded(one.roles),
    targetHost: whole(one.targetHost),
    explicit: one.explicit,
    hold: one.hold?.slice(0, 500) ?? null,
  }));
  return { machines };
}

/** What a function of Nix says of a flake's outputs, as JSON; or why it says nothing. */
export async function ask(
  { workspace, root, arguments: options, memoryBytes, signal }: Evaluator,
  expression: string,
  timeoutMs: number,
): Promise<{ value: unknown } | { why: string }> {
  const result = await workspace.launch({
    argv: ["nix", "eval", "--json", ...options, "--expr", `(${expression}) (${root.outputs})`],
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
    return { why: withHint(`nix eval ${describeLaunch(result)}: ${error.slice(0, 500)}`) };
  }
  return { value: JSON.parse(text(result.stdout)) };
}

/** One that is cut would be another host. */
export function whole(host: string | null): string | null {
  return host !== null && host.length <= 255 ? host : null;
}
