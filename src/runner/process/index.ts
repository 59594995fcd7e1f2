export type { Environment } from "./environment.ts";
export { inheritedEnvironment } from "./environment.ts";
export type { ProcessEnd, ProcessResult } from "./result.ts";
export { describeEnd, succeeded } from "./result.ts";
export { MAX_OUTPUT, run } from "./run.ts";
export type { RunningProcess } from "./start.ts";
export { GRACE_MS, start } from "./start.ts";
