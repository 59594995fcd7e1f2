export { choose, earlierOf, stagesOf, stagesOfNamed } from "./choose.ts";
export {
  ask,
  end,
  heard,
  keep,
  free,
  leave,
  lose,
  observe,
  overdue,
  SILENT,
  unlock,
  unreachable,
  withdraw,
} from "./lock.ts";
export type { Ask, Turn } from "./lock.ts";
export { blamed } from "./blame.ts";
export { identify, machinesOf } from "./machine.ts";
export { lastGood, migrationsLeft, rollbackTo, sickOf, sourcesOf } from "./rollback.ts";
export type { RollbackTo } from "./rollback.ts";
export { isSource } from "./tool.ts";
export { toolWords } from "./tool-words.ts";
export type { DeployMachine } from "./machine.ts";
export {
  adviceOn,
  conclusionOf,
  conclusionOfAll,
  deploymentStateOf,
  reasonOf,
  wordOf,
} from "./outcome.ts";
export type { OutcomeKind } from "./outcome.ts";
export { objections } from "./policy.ts";
export type { DeployQuestion, Objection } from "./policy.ts";
export { needs, newRollout, rolloutConclusion, stepRollout, ticketKey } from "./rollout.ts";
export type { Planned, RolloutEvent, RolloutNeed } from "./rollout.ts";
export { initialMachine } from "./rows.ts";
export type {
  BadRow,
  KeepRow,
  MachineChanges,
  MachineEffect,
  MachineRow,
  MachineSlice,
  Owner,
  Refusal,
  TicketRow,
} from "./rows.ts";
export type { RolloutChanges, RolloutRow, RolloutSlice, StageRow, TargetRow } from "./stages.ts";
export { boundedUnits, programsOf, unitDifference } from "./units.ts";
export type { Units } from "./units.ts";
export { warningsOf } from "./warnings.ts";
export { driftIssue, driftOf, leftBehind } from "./drift.ts";
export type { Drift } from "./drift.ts";
export { fleetDrift } from "./fleet.ts";
export type { SeenMachine } from "./fleet.ts";
export { planSection } from "./plan.ts";
export type { ShownPlan } from "./plan.ts";
export { DEPLOY_CHECKS, rolloutCheck } from "./report.ts";
export type { Look } from "./report.ts";
