export { advice, conclusion, endedWith, kindNamed, rollup, word } from "./conclusion.ts";
export type { Conclusion } from "./conclusion.ts";
export { FAILURE_TTL, replayable, retried, reusable, rooted } from "./kinds.ts";
