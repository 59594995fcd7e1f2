export { deadline, nextDue } from "./deadline.ts";
export type { FleetJob, FleetRunner, JobEffect, JobEvent, JobState } from "./job.ts";
export { backoff, MAX_LOSSES, WAITS } from "./limits.ts";
export { assign, lacks, missingEverywhere } from "./match.ts";
export { route } from "./route.ts";
export { step } from "./step.ts";
