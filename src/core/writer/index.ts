export { fill, learn, openGate, opensAt } from "./gate.ts";
export type { LimitNews } from "./gate.ts";
export { behind, CONCURRENCY, plan } from "./plan.ts";
export type { Plan } from "./plan.ts";
export type { Action, Gate, Outcome, Row } from "./rows.ts";
export { LOOKUPS, recover, settle, wish } from "./settle.ts";
export type { Wish } from "./settle.ts";
