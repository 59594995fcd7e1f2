import { isAggregate, OVERALL } from "../../../core/report/index.ts";
import type { Wish } from "../../../core/writer/index.ts";
import type { DesiredCheck, DesiredWord } from "../contracts.ts";

/** What a row's body says. A check's has no `kind`: rows of earlier releases are checks. */
export type Desired = DesiredCheck | DesiredWord;

/** Repository and commit of a check. */
export function commitOf({ repository, head }: DesiredCheck): string {
  return JSON.stringify([repository.id, head]);
}

/** Where the commit's check of a name is shown. */
export function placeOf({ repository, head }: DesiredCheck, name: string): string {
  return JSON.stringify([repository.id, head, name]);
}

export function wishForCheck(check: DesiredCheck): Wish {
  return {
    resource: check.resource,
    kind: "check",
    run: check.run,
    place: placeOf(check, check.name),
    last: check.name === OVERALL,
    yields: check.yields,
    succeeds: check.succeeds,
    version: check.version,
    aggregate: isAggregate(check.name),
    terminal: check.status === "completed",
    annotations: check.annotations.length,
  };
}

/** None of them has a part of the reserved budget: checks come first. */
export function wishFor(what: DesiredWord): Wish {
  const once = what.kind === "comment" || what.kind === "reaction";
  return {
    resource: what.resource,
    kind: what.kind,
    run: null,
    place: what.resource,
    last: false,
    yields: false,
    succeeds: [],
    version: once ? 1 : what.version,
    aggregate: false,
    terminal: what.kind === "deployment" ? what.terminal : once,
    annotations: 0,
  };
}
