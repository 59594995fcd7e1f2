/** Stands in for `@probot/pino`, as `pino.ts` does. */
export function getTransformStream(): never {
  throw new Error("@probot/pino is not part of the Worker: pass Probot a `log`");
}
