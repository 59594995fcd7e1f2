export { createCheck, findCheck, updateCheck } from "./checks.ts";
export { failed, redeliver } from "./deliveries.ts";
export { failure, limits } from "./failure.ts";
export type { Failure } from "./failure.ts";
export { commit, file, pull, role, visibility } from "./reads.ts";
export { client } from "./request.ts";
export type { Made } from "./request.ts";
export { isNotInstalled, mint } from "./token.ts";
export type { Only, Token } from "./token.ts";
