export { createCheck, findCheck, updateCheck } from "./checks.ts";
export { failed, redeliver } from "./deliveries.ts";
export { failure, limits } from "./failure.ts";
export type { Failure } from "./failure.ts";
export { commit, file, pull, role, visibility } from "./reads.ts";
export { client } from "./request.ts";
export type { Made } from "./request.ts";
export { mint } from "./token.ts";
export type { Token } from "./token.ts";
