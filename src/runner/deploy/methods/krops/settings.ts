import * as z from "zod";
import { TreePath } from "../../../../protocol/tool.ts";

const absolutePath = z.string().regex(/^\/[^\0]*$/u, "must be an absolute path");

/** Of a krops machine in the runner's own policy. */
export const KropsSettings = z.strictObject({
  /** A folder that is laid over the checkout: what git ignores there. Links in it may lead out of it. */
  overlay: absolutePath.nullable().default(null),
  /** Folders of the overlay with an entry for each machine: of them only the machine's own is brought. */
  perMachine: z.array(TreePath).max(32).default(["machine-specific", "config/machines"]),
  /** Files of the tree or the overlay that are encrypted for this runner, and where they come to in the tree. */
  age: z
    .strictObject({
      program: absolutePath.default("age"),
      /** Readable by the agent alone. */
      identityFile: absolutePath,
      files: z
        .array(z.strictObject({ from: TreePath, to: TreePath }))
        .min(1)
        .max(64),
    })
    .nullable()
    .default(null),
  /** What `krops.nix` may call the machine, beside its address here and its name. */
  hosts: z
    .array(
      z.string().regex(/^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}$/u, "must be a host or an address"),
    )
    .max(16)
    .default([]),
});
export type KropsSettings = z.infer<typeof KropsSettings>;

/** Where a policy says nothing. */
export const NO_SETTINGS: KropsSettings = KropsSettings.parse({});
