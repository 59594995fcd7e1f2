export { learn, openGate, opensAt } from "./gate.ts";
export type { LimitNews } from "./gate.ts";
export { behind } from "./behind.ts";
export { LAST_HOLD, YIELD_HOLD } from "./hold.ts";
export { CONCURRENCY, plan } from "./plan.ts";
export type { Action, Gate, Outcome, Row } from "./rows.ts";
export { LOOKUPS, recover, settle, wish } from "./settle.ts";
export type { Wish } from "./settle.ts";
export { silenced, takeOver } from "./takeover.ts";
