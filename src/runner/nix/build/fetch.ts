import type { GraphNode } from "../store/derivations.ts";
import type { Cause } from "./failure.ts";

/**
 * What is the other side's business, or the way's: too many requests (GitHub says 403 as well, and so does the egress
 * proxy of a host that is not allowed), a time-out, an error of the server. 404 and 410 are the address that is asked for.
 */
function isSurroundings(status: number): boolean {
  return [403, 407, 408, 425, 429].includes(status) || (status >= 500 && status <= 599);
}

/** Nix, curl, wget, git: the status that a server answered with. */
const STATUS =
  /\bHTTP error (\d{3})\b|requested URL returned error: (\d{3})\b|\bERROR (\d{3}): |awaiting response\.\.\. (\d{3})\b|\bHTTP(?:\/[\d.]+)? (\d{3})\b/u;

/** The way there: names, routes, connections, TLS, streams that break off. Codes are curl's, as curl and Nix print them. */
const CURL = /\bcurl: \((\d+)\)|: [^:]*\((?:curl error code=)?(\d+)\)\s*$/u;
const WAY_CODES: ReadonlySet<number> = new Set([5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92]);
const WAY =
  /[Cc]ould(?:n't| not) resolve (?:host|proxy)|[Nn]ame or service not known|Temporary failure in name resolution|unable to resolve host|[Ff]ailed to connect to |[Cc]ould(?:n't| not) connect to|[Cc]onnection (?:timed out|refused|reset by peer|was reset)|[Nn]etwork is unreachable|[Nn]o route to host|TLS handshake timeout|[Ee]mpty reply from server|early EOF|unexpected disconnect|[Oo]peration timed out|[Tt]imeout was reached/u;

/** One line of a fetch's log: whose fault it tells, null where it tells nothing. */
function blame(line: string): "surroundings" | "change" | null {
  const status = STATUS.exec(line)
    ?.slice(1)
    .find((one) => one !== undefined);
  if (status !== undefined && Number(status) >= 400)
    return isSurroundings(Number(status)) ? "surroundings" : "change";
  const code = CURL.exec(line)
    ?.slice(1)
    .find((one) => one !== undefined);
  // 22 stands for a status, which the line then names; what else curl fails at is the request itself.
  if (code !== undefined && /curl|unable to download/u.test(line))
    return WAY_CODES.has(Number(code)) ? "surroundings" : "change";
  return WAY.test(line) ? "surroundings" : null;
}

/**
 * The cause of a fetch that failed: a fixed-output derivation whose last word about the network is that somebody else is
 * at fault has not been judged. Its builder may print what it likes, and gains nothing by it but a second try.
 * @param log the last lines that it printed, and what Nix said.
 */
export function fetchCause(node: GraphNode | undefined, cause: Cause, log: string): Cause {
  if (node?.fixedOutput !== true || cause.kind !== "failed") return cause;
  const told = log
    .split("\n")
    .map((line) => ({ line: line.trim(), blames: blame(line) }))
    .findLast(({ blames }) => blames !== null);
  if (told?.blames !== "surroundings") return cause;
  return {
    kind: "infrastructure",
    message: `what ${node.name} fetches could not be had: ${told.line.slice(0, 1_000)}`,
  };
}
