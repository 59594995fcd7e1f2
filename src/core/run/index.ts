export { lease, recalled, results, SLICE_SIZE, SLICE_WAIT } from "./build.ts";
export type { Recalled } from "./build.ts";
export { conclude } from "./conclude.ts";
export type { Count } from "./conclude.ts";
export { attributeKey } from "./draft.ts";
export {
  attributes,
  attributesNeed,
  MAX_ATTRIBUTES,
  MISSING,
  missing,
  missingNeed,
} from "./evaluate.ts";
export { finish, lost, noRunner, offered, queued, RETRIES, stale, started } from "./job.ts";
export { admit, newRun, settle, stop, sweep } from "./lifecycle.ts";
export type { Admission } from "./lifecycle.ts";
export { decideMerge, MERGE_DEADLINE } from "./merge.ts";
export type { MergeAnswer, MergeDecision } from "./merge.ts";
export { mayReplay, replayed, unreplayed } from "./replay.ts";
export type { Replayed } from "./replay.ts";
export type {
  AttributeRow,
  Changes,
  DerivationRow,
  JobRow,
  Phase,
  Rules,
  RunRow,
  Slice,
} from "./rows.ts";
