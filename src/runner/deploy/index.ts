export { closures } from "./closures.ts";
export { deployerFor } from "./deployer.ts";
export { machineJobs } from "./job.ts";
export { readDeployPolicy } from "./policy/policy.ts";
export { offered, type Offered } from "./policy/offered.ts";
export { LocalRecords } from "./records.ts";
export { deployLocally, type LocalRequest } from "./local/deploy.ts";
