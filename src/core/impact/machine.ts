import { parseAttributePath } from "../../protocol/attribute-path.ts";
import { declaredIn } from "../config/machines.ts";
import type { Configuration } from "../config/schema.ts";

/** What a configuration says of machines. */
export type Declared = {
  /** Whether it says anything: then the base is evaluated for the comparison even where no machine is found. */
  asked: boolean;
  names: string[];
};

export function declaredMachines({ machines }: Configuration): Declared {
  if (machines === undefined) return { asked: false, names: [] };
  return { asked: true, names: Object.keys(declaredIn(machines)).toSorted() };
}

/** Outputs of a flake whose every attribute is a machine. */
const OUTPUTS: ReadonlySet<string> = new Set(["nixosConfigurations", "darwinConfigurations"]);

/**
 * The machine that an attribute is the system of; null where it is none's. What a flake's machines are, its evaluation
 * says; of a file, which is never enumerated, the declared machines' attributes are theirs.
 * @param selection as `labelOf` has it.
 * @param attribute as Nix spells it.
 */
export function machineOf(
  selection: string,
  attribute: string,
  declared: ReadonlySet<string>,
): string | null {
  const path = parseAttributePath(attribute);
  const last = path?.at(-1);
  if (path === null || last === undefined) return null;
  if (selection.startsWith("flake:"))
    return path.length === 2 && OUTPUTS.has(path[0] ?? "") ? last : null;
  return declared.has(last) ? last : null;
}
