import * as z from "zod";
import { ObjectName } from "./identifiers.ts";

/** Where the tree comes from. The runner fetches `ref`, then insists on `sha` and on `tree`. */
export const Source = z.strictObject({
  cloneUrl: z.url(),
  /** A full ref that holds the commit: `refs/heads/main`, `refs/pull/7/merge`. */
  ref: z
    .string()
    .regex(/^refs\/[^\u0000-\u0020\u007f]+$/u)
    .max(1_024),
  sha: ObjectName,
  tree: ObjectName,
  /** Whether the flake is to see its revision. Otherwise an export without it is evaluated, which is reusable by tree. */
  revision: z.boolean(),
  /**
   * The exported tree is shown to its flakes under this revision (and time, Unix s, where it is known) instead of none:
   * what evaluates to the same derivation as that commit differs from it in nothing.
   */
  shownAs: z
    .strictObject({ sha: ObjectName, lastModified: z.int().nonnegative().nullable() })
    .optional(),
});
export type Source = z.infer<typeof Source>;
