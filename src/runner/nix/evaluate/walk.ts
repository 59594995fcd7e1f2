import { randomBytes } from "node:crypto";
import type { LaunchResult, Workspace } from "../launch.ts";
import { describeLaunch, ended } from "../launch.ts";
import { clean } from "../log/clean.ts";
import type { LogPosition } from "../log/event.ts";
import { eventReader } from "../log/reader.ts";
import { blamesStore } from "../machinery.ts";
import { reasonOf } from "../../source/refusal.ts";
import type { Root, WalkParameters } from "./expression.ts";
import { walkExpression } from "./expression.ts";
import type { Said } from "./said.ts";
import { parseSaid } from "./said.ts";

/** What all processes of one evaluation share. */
export interface Evaluator {
  readonly workspace: Workspace;
  readonly root: Root;
  /** Arguments of `nix eval`: purity, settings. */
  readonly arguments: readonly string[];
  readonly network: "none" | "proxy";
  /** Whether errors come with their trace, which names the place in the tree; a deep one is too long to be read. */
  readonly trace?: boolean;
  /** Derivations are named and not written to the store. */
  readonly readOnly?: boolean;
  readonly memoryBytes: number;
  readonly signal: AbortSignal;
  readonly onWarning: (text: string) => void;
  /** Most memory (bytes) of a process that has ended. */
  readonly onPeak: (bytes: number | null) => void;
}

/** How one process ended. */
export type WalkEnd =
  | { readonly kind: "done" }
  | {
      readonly kind: "error";
      readonly message: string;
      readonly positions: readonly (LogPosition | null)[];
      /** Its error record could not be read: Nix's threads had torn it beyond repair, or it died without one. */
      readonly unread: boolean;
    }
  | { readonly kind: "timed-out" }
  | { readonly kind: "out-of-memory" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "infrastructure"; readonly message: string };

/** Text kept for evaluators that die without an error record. */
const PLAIN_CHARACTERS = 8_192;

const GRACE_MS = 50;

/** Runs one process of the walk. `onSaid` may call `stop`, which ends the process as timed out. */
export async function walk(
  evaluator: Evaluator,
  parameters: Omit<WalkParameters, "nonce">,
  timeoutMs: number,
  onSaid: (said: Said, stop: () => void) => void,
): Promise<WalkEnd> {
  const nonce = randomBytes(12).toString("hex");
  const stopped = new AbortController();
  let error: { message: string; positions: (LogPosition | null)[] } | null = null;
  let plain = "";
  const lines = eventReader((event) => {
    if (event.kind === "text") plain = `${plain}${clean(event.line)}\n`.slice(-PLAIN_CHARACTERS);
    if (event.kind !== "message") return;
    const said = parseSaid(event.message, nonce);
    if (said !== null) onSaid(said, () => stopped.abort());
    else if (event.error !== null && event.level === 0)
      error = { message: event.error, positions: [event.position, ...event.trace] };
    else if (/^(?:trace: )?(?:evaluation )?warning:/u.test(event.message))
      evaluator.onWarning(event.message.replace(/^trace: /u, ""));
    // Said without an error record: "error: out of memory".
    else if (event.level === 0) plain = `${plain}${event.message}\n`.slice(-PLAIN_CHARACTERS);
  });
  const result = await evaluator.workspace.launch({
    argv: [
      "nix",
      "eval",
      ...(evaluator.trace === false ? [] : ["--show-trace"]),
      "--log-format",
      "internal-json",
      ...(evaluator.readOnly === true ? ["--read-only"] : []),
      ...evaluator.arguments,
      "--expr",
      walkExpression({ ...parameters, nonce }, evaluator.root),
    ],
    network: evaluator.network,
    memoryBytes: evaluator.memoryBytes,
    timeoutMs: Math.max(1, timeoutMs),
    // A loop in the evaluator never looks at signals, and there is nothing to tidy up: waiting would only cost the others
    // their time.
    graceMs: GRACE_MS,
    signal: AbortSignal.any([evaluator.signal, stopped.signal]),
    maxOutput: 4_096,
    onStderr: (chunk) => lines.push(chunk),
  });
  lines.end();
  evaluator.onPeak(result.peakBytes);
  return end(result, error, plain, evaluator.signal);
}

function end(
  result: LaunchResult,
  error: { message: string; positions: (LogPosition | null)[] } | null,
  plain: string,
  signal: AbortSignal,
): WalkEnd {
  if (signal.aborted) return { kind: "cancelled" };
  if (result.timedOut || result.cancelled) return { kind: "timed-out" };
  if (result.outOfMemory) return { kind: "out-of-memory" };
  if (result.startFailure !== null)
    return { kind: "infrastructure", message: `nix eval ${describeLaunch(result)}` };
  if (ended(result)) return { kind: "done" };
  if (error !== null)
    return isInfrastructure(error.message)
      ? { kind: "infrastructure", message: error.message }
      : { kind: "error", ...error, unread: false };
  // A stack overflow is told by a signal handler, which can only write plain text.
  const said = /^error: (.*)$/mu.exec(plain)?.[1];
  if (OUT_OF_MEMORY.test(said ?? plain)) return { kind: "out-of-memory" };
  return {
    kind: "error",
    message:
      said ??
      `the evaluator ${describeLaunch(result)} without an error: ${plain.trim().slice(-500)}`,
    positions: [],
    unread: said === undefined,
  };
}

/** What the evaluator and its garbage collector print when the address space is used up (a limit without cgroups). */
const OUT_OF_MEMORY =
  /out of memory|cannot allocate memory|std::bad_alloc|Too many heap sections|memory exhausted/iu;

/** The store, its daemon or a host that wants to be left alone for a while failed, not the expression. */
function isInfrastructure(message: string): boolean {
  return (
    blamesStore(message) ||
    (/unable to download|cannot download/u.test(message) && reasonOf(message) === "limited")
  );
}
