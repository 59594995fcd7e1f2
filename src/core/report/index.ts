export { buildCheck, evaluationCheck, overallCheck } from "./aggregate.ts";
export { inTree } from "./annotations.ts";
export { causeCheck } from "./causes.ts";
export { plain } from "./escape.ts";
export type { Annotation, Cause, CheckBody, Listed, Summary } from "./model.ts";
export { BUILD, CAUSE_CAP, causeName, EVALUATION, isAggregate, OVERALL } from "./names.ts";
export { base } from "./verdict.ts";
