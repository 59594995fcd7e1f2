import { attributeName } from "../../protocol/attribute.ts";
import type { Limits, Selection } from "../../protocol/specification.ts";
import { evaluate } from "../nix/evaluate/index.ts";
import type { EvaluationPlace } from "./place.ts";
import { importsOf } from "./place.ts";

/** Only the attributes that are asked for, so that a large flake is not walked for one of its parts. */
export async function evaluateAgain(
  work: { readonly selections: readonly Selection[]; readonly limits: Limits },
  wanted: readonly { readonly selection: number; readonly path: readonly string[] }[],
  place: EvaluationPlace,
): Promise<void> {
  for (const [index, selection] of work.selections.entries()) {
    const attributes = wanted
      .filter((derivation) => derivation.selection === index)
      .map(({ path }) => attributeName(path));
    if (attributes.length === 0) continue;
    const narrowed: Selection = { ...selection, attributes: [...new Set(attributes)] };
    const result = await evaluate({
      workspace: place.workspace,
      version: place.facts.version,
      tree: place.tree,
      revision: place.revision,
      shownAs: place.shownAs,
      inputs: place.inputs,
      selection: narrowed,
      index,
      seconds: work.limits.evaluationSeconds,
      memoryBytes: work.limits.evaluationBytes,
      imports: importsOf(place, work.limits),
      again: true,
      signal: place.signal,
      now: place.now,
      onAttribute: ({ path, result: { kind, ...rest } }) => {
        if (kind === "error" && "message" in rest)
          place.say(`${attributeName(path)}: ${rest.message}`);
      },
    });
    if (result.kind === "error" || result.kind === "infrastructure")
      place.say(`evaluating again: ${result.message}`);
  }
}
