export { deployerFor } from "./deployer.ts";
export { machineJobs } from "./job.ts";
export { readDeployPolicy } from "./policy/policy.ts";
export { targetsOf } from "./policy/targets.ts";
export { LocalRecords } from "./records.ts";
export { deployLocally, type LocalRequest } from "./local/deploy.ts";
