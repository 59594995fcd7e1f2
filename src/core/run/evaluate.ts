import { type Attribute, attributeName } from "../../protocol/attribute.ts";
import type { ToRun } from "../../protocol/data.ts";
import { inSet, matches, reaches } from "../config/match.ts";
import { attributeKey, Draft } from "./draft.ts";
import { isOfSystems } from "./required.ts";
import type { AttributeRow, Changes, RunRow, Slice } from "./rows.ts";

/** Rows a run may have. An evaluation that goes on beyond it is at fault; its rows are paid for. */
export const MAX_ATTRIBUTES = 50_000;

/** The selection of what is missing: names, not paths of what is there, so that neither can stand for the other. */
export const MISSING = -1;

/** What a batch needs: its attributes' and derivations' rows. */
export function attributesNeed(attributes: readonly Attribute[]): {
  keys: string[];
  drvs: string[];
} {
  return {
    keys: attributes.map(({ selection, path }) => attributeKey(selection, path)),
    drvs: [
      ...new Set(
        attributes.flatMap(({ result }) =>
          result.kind === "derivation" ? [result.derivation.path] : [],
        ),
      ),
    ],
  };
}

/** Attributes as an evaluation finds them. Repetitions (a second attempt) change nothing, but take back errors. */
export function attributes(slice: Slice, batch: readonly Attribute[]): Changes {
  const draft = new Draft(slice);
  if (draft.run.phase !== "evaluating" || draft.run.stopped !== null) return draft.changes();
  for (const attribute of batch) take(draft, attribute);
  return draft.changes();
}

function take(draft: Draft, attribute: Attribute): void {
  const { selection, path, system, result } = attribute;
  strike(draft, path);
  const known = draft.attribute(attributeKey(selection, path));
  const required = isRequired(draft.run, attribute);
  if (result.kind === "error") {
    if (known || overflow(draft)) return;
    const row = draft.addAttribute({
      selection,
      path,
      name: attributeName(path),
      system,
      drv: null,
      required,
    });
    draft.judge(
      row,
      { kind: "evaluation-error", message: result.message, position: result.position },
      attribute.seconds ?? 0,
      null,
    );
    return;
  }
  const { derivation } = result;
  let row: AttributeRow;
  if (known === null) {
    if (overflow(draft)) return;
    row = draft.addAttribute({
      selection,
      path,
      name: attributeName(path),
      system,
      drv: derivation.path,
      required,
    });
  } else if (known.drv === null && known.verdict?.kind === "evaluation-error") {
    draft.reopen(known, derivation.path, required);
    row = known;
  } else return;
  if (!required) {
    draft.judge(row, { kind: "evaluated-only" }, 0, null);
    return;
  }
  const built = draft.derivation(derivation.path);
  if (built === null) {
    draft.addDerivation({
      drv: derivation.path,
      name: derivation.name,
      system: derivation.system,
      features: derivation.features,
      selection,
      path,
    });
  } else if (built.verdict !== null)
    draft.judge(row, built.verdict, built.seconds, null, built.provenance);
}

function overflow(draft: Draft): boolean {
  if (draft.run.attributes < MAX_ATTRIBUTES) return false;
  draft.run.evaluation ??= {
    kind: "evaluation-error",
    message: `The evaluation gives more than ${MAX_ATTRIBUTES} attributes: name fewer in the configuration.`,
    position: null,
  };
  return true;
}

/** Of the set's patterns, those that name this attribute have something. */
function strike({ run }: Draft, path: readonly string[]): void {
  const { unmatched = [] } = run.rules;
  if (unmatched.some((pattern) => matches(pattern, path)))
    run.rules = {
      ...run.rules,
      unmatched: unmatched.filter((pattern) => !matches(pattern, path)),
    };
}

function isRequired({ rules }: RunRow, attribute: Attribute): boolean {
  const { path, result } = attribute;
  // An error stands for all that is below it.
  const within = inSet(rules.set, path) || (result.kind === "error" && reaches(rules.set, path));
  if (!within) return false;
  const systems = rules.systems[attribute.selection];
  // A selection nobody asked for is a runner's mistake: it blocks rather than passes.
  if (systems === undefined || systems === null) return true;
  return isOfSystems(attribute, systems);
}

/** The rows that may have been made already of what is missing. */
export function missingNeed({ rules }: RunRow, names: readonly string[]): string[] {
  return [...names, ...(rules.unmatched ?? [])].map((name) => attributeKey(MISSING, [name]));
}

/** Declared or requested attributes that are not there, and patterns that name nothing: required, and not covered. */
export function missing(slice: Slice, evaluated: Extract<ToRun, { kind: "evaluated" }>): Changes {
  const draft = new Draft(slice);
  if (draft.run.phase !== "evaluating" || draft.run.stopped !== null) return draft.changes();
  for (const name of evaluated.missing)
    uncover(draft, name, "The configuration asks for it, and the evaluation does not have it.");
  for (const pattern of draft.run.rules.unmatched ?? [])
    uncover(
      draft,
      pattern,
      "The configuration's set names it, and nothing that was evaluated is called so.",
    );
  return draft.changes();
}

function uncover(draft: Draft, name: string, reason: string): void {
  const path = [name];
  if (draft.attribute(attributeKey(MISSING, path)) || overflow(draft)) return;
  const row = draft.addAttribute({
    selection: MISSING,
    path,
    name,
    system: null,
    drv: null,
    required: true,
  });
  draft.judge(row, { kind: "not-covered", reason }, 0, null);
}
