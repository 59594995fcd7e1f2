export { lease, recalled, results, SLICE_WAIT } from "./build.ts";
export type { Builder } from "./build.ts";
export { adrift, claim, endedWith, freed } from "./claims.ts";
export type { Claim, Fenced } from "./claims.ts";
export { conclude } from "./conclude.ts";
export type { Count } from "./conclude.ts";
export { attributeKey } from "./draft.ts";
export { attributes, attributesNeed, missing, missingNeed } from "./evaluate.ts";
export { cancelJob, finish, lost, noRunner, offered, queued, stale, started } from "./job.ts";
export {
  admit,
  beginAside,
  beginMachines,
  endMachines,
  endAside,
  newRun,
  settle,
  stop,
  sweep,
} from "./lifecycle.ts";
export { placeOf } from "./log.ts";
export { decideMerge } from "./merge.ts";
export type { MergeAnswer } from "./merge.ts";
export { advance, needs, toAsk } from "./needs.ts";
export type { Reach, Wait, Waits } from "./needs.ts";
export { mayReplay, replayed, unreplayed } from "./replay.ts";
export type { Replayed } from "./replay.ts";
export type {
  AttributeRow,
  Changes,
  DerivationRow,
  JobRow,
  LogOf,
  Phase,
  Rules,
  RunRow,
  Slice,
} from "./rows.ts";
