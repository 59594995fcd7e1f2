/** Paths that a runner asks for. The data channels and the clone token carry the attempt's token as bearer. */
export const RUNNER_ROUTE = {
  /** POST, `EnrolmentRequest`. */
  enrol: "/runner/enrol",
  /** WebSocket, control frames; `Authorization: Snowcat …` (see `connectText`). */
  socket: "/runner/socket",
  /** WebSocket to the Run object: attributes and results of one attempt. */
  run: "/runner/run",
  /** WebSocket to the Log object of one attempt. */
  log: "/runner/log",
  /** POST, answers `CloneToken`. */
  token: "/runner/token",
  /** POST, answers `InputToken`. */
  inputs: "/runner/inputs",
  /** PUT and GET `<this>/<digest>`: the text of a manifest (`manifestText`); stored only when it has that SHA-256. */
  manifest: "/runner/manifest",
} as const;
