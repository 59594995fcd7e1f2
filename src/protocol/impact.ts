import * as z from "zod";
import { StorePath } from "./identifiers.ts";

/** What an impact job finds out about one machine: how the derivation and the closure differ from the base's. */

/** Most of what one machine's difference names; counts are whole. */
export const IMPACT = {
  machines: 100,
  inputs: 40,
  origins: 20,
  reasons: 12,
  packages: 100,
  versions: 8,
} as const;

/** Most of a clan's inventory that one evaluation tells. */
export const INVENTORY = { machines: 1_000, tags: 16 } as const;

/** A machine that a clan's inventory names. */
export const InventoryMachine = z.strictObject({
  selection: z.int().nonnegative(),
  machine: z.string().min(1).max(255),
  /** `nixos` or `darwin`, as it says. */
  class: z.string().max(64),
  tags: z.array(z.string().max(128)).max(INVENTORY.tags),
  /** Roles of the inventory's instances that it has, by itself or by a tag. */
  roles: z.array(z.string().max(128)).max(INVENTORY.tags).optional(),
  /** Where clan would deploy it; null where the inventory does not say. */
  targetHost: z.string().max(255).nullable().optional(),
  /** It is deployed only where it is named itself; and why it is not to be changed. */
  explicit: z.boolean().optional(),
  hold: z.string().max(500).nullable().optional(),
});
export type InventoryMachine = z.infer<typeof InventoryMachine>;

const Name = z.string().max(255);
const Count = z.int().nonnegative();

/** An input of the machine's derivation that is another one. `null`: there is none on that side. */
const InputChange = z.strictObject({ before: Name.nullable(), after: Name.nullable() });
export type InputChange = z.infer<typeof InputChange>;

/** A derivation below the machine whose own text differs, not only what it is built from. */
const Origin = z.strictObject({
  before: Name,
  after: Name,
  /** `system`, `builder`, `arguments`, `outputs`, `source <name>`, `input <name>`, `variable <name>`. */
  differs: z.array(z.string().max(300)).min(1).max(IMPACT.reasons),
});
export type Origin = z.infer<typeof Origin>;

const DerivationDifference = z.strictObject({
  /** Direct inputs of the machine's derivation. */
  changed: Count,
  added: Count,
  removed: Count,
  inputs: z.array(InputChange).max(IMPACT.inputs),
  origins: z.array(Origin).max(IMPACT.origins),
  /** Not everything below was looked at: what is named is not all. */
  bounded: z.boolean(),
});
export type DerivationDifference = z.infer<typeof DerivationDifference>;

const Versions = z.array(z.string().max(128)).max(IMPACT.versions);
const PackageChange = z.strictObject({
  name: Name,
  before: Versions,
  after: Versions,
  /** Bytes, of all its paths: after less before. */
  bytes: z.int(),
});
export type PackageChange = z.infer<typeof PackageChange>;

const Size = z.strictObject({ paths: Count, bytes: Count });
export const ClosureDifference = z.strictObject({
  before: Size,
  after: Size,
  /** Packages that are there on one side only, and that have other versions or another size. */
  added: Count,
  removed: Count,
  changed: Count,
  packages: z.array(PackageChange).max(IMPACT.packages),
});
export type ClosureDifference = z.infer<typeof ClosureDifference>;

/** `unknown` says why. */
const unknown = z.strictObject({ kind: z.literal("unknown"), why: z.string().max(1_024) });

export const MachineDifference = z.strictObject({
  before: StorePath,
  after: StorePath,
  derivation: z.discriminatedUnion("kind", [
    DerivationDifference.extend({ kind: z.literal("known") }),
    unknown,
  ]),
  closure: z.discriminatedUnion("kind", [
    ClosureDifference.extend({ kind: z.literal("known") }),
    unknown,
  ]),
});
export type MachineDifference = z.infer<typeof MachineDifference>;
