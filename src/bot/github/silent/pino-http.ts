/** Stands in for `pino-http`: Probot's own HTTP server is not used. */
export function pinoHttp(): never {
  throw new Error("pino-http is not part of the Worker: Hono serves");
}
export const startTime = Symbol("startTime");
