import type { Attribute } from "../../../protocol/attribute.ts";
import type { Selection } from "../../../protocol/specification.ts";
import type { Source } from "../../../protocol/source.ts";
import type { Finding } from "../../../protocol/data.ts";
import type { InventoryMachine } from "../../../protocol/impact.ts";
import type { Position } from "../../../protocol/verdict.ts";
import type { InputAccess } from "../../source/inputs/access.ts";
import type { Workspace } from "../launch.ts";
import type { NixVersion } from "../version.ts";

export interface EvaluationOptions {
  readonly workspace: Workspace;
  readonly version: NixVersion;
  /** The checked-out tree as the job's programs see it. */
  readonly tree: string;
  /** Set when the tree is a git checkout whose flakes are to see their revision. */
  readonly revision: string | null;
  /** What the flakes of a tree without git are to take for their revision; nothing unless given. */
  readonly shownAs?: Source["shownAs"] | null;
  readonly selection: Selection;
  /** The selection's index in the specification. */
  readonly index: number;
  readonly seconds: number;
  readonly memoryBytes: number;
  /** Limits of what evaluation builds where the selection lets it (import from derivation); null where it never may. */
  readonly imports: { readonly buildSeconds: number; readonly silentSeconds: number } | null;
  /** Only what the selection names, once more: no linter, and nothing besides. */
  readonly again?: boolean;
  /** Version of the nix-eval-jobs that is to be used where it can do the work; null where there is none. */
  readonly jobs?: string | null;
  /** What the fetch step may use; only the public unless given. */
  readonly inputs?: InputAccess;
  readonly signal: AbortSignal;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly onAttribute: (attribute: Attribute) => void;
}

/** How the evaluation of a selection ended; its attributes have been handed on by then. */
export type Evaluation =
  | {
      readonly kind: "evaluated";
      readonly warnings: readonly string[];
      readonly missing: readonly string[];
      readonly findings: readonly Finding[];
      /** Most memory of one of its processes; null where the isolation cannot tell. */
      readonly peakBytes: number | null;
      /** Machines of clan's inventory, where the flake has one. */
      readonly inventory: readonly InventoryMachine[];
    }
  /** Nothing of it could be evaluated. */
  | {
      readonly kind: "error";
      readonly message: string;
      readonly position: Position | null;
      readonly warnings: readonly string[];
    }
  | { readonly kind: "cancelled" }
  | { readonly kind: "infrastructure"; readonly message: string };

/** Why nothing could be prepared to be walked. */
export type Unprepared =
  | { readonly kind: "error"; readonly message: string; readonly position: Position | null }
  | Extract<Evaluation, { kind: "cancelled" | "infrastructure" }>;
