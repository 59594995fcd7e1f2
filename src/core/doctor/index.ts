export { needOf } from "./command.ts";
export type { Need } from "./command.ts";
export { examine } from "./examine.ts";
export type { Answers, Found, Level } from "./examine.ts";
export { countMachines } from "./machines.ts";
export { commandsOf } from "./uses.ts";
