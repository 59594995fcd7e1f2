export { deadline, nextDue } from "./deadline.ts";
export type { FleetJob, FleetRunner, JobEffect, JobEvent, JobState, Step } from "./job.ts";
export { backoff, MAX_LOSSES, WAITS } from "./limits.ts";
export type { Assignment } from "./match.ts";
export { assign, lacks, missingEverywhere } from "./match.ts";
export { step } from "./step.ts";
