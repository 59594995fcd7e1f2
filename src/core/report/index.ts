export { againCheck } from "./again.ts";
export { buildCheck, evaluationCheck, overallCheck } from "./aggregate.ts";
export { inTree } from "./annotations.ts";
export { causeCheck } from "./causes.ts";
export { code, plain } from "./escape.ts";
export type { Annotation, Cause, CheckBody, Flaky, Listed, Summary, Told } from "./model.ts";
export { BUILD, CAUSE_CAP, causeName, EVALUATION, isAggregate, OVERALL } from "./names.ts";
export { duration } from "./time.ts";
export { base } from "./verdict.ts";
