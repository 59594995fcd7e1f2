export { mayBeFlaky, noted, outcomeOf, proofOf } from "./history.ts";
export type { Evidence, Flake, History, LogPlace } from "./history.ts";
