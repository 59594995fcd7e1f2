import type { Workspace } from "../../nix/launch.ts";
import { describeLaunch, ended, text } from "../../nix/launch.ts";
import { clean, shorten } from "../../nix/log/clean.ts";
import { invalidPaths } from "../../nix/store/validity.ts";
import { isPassing, permissionAdvice, reasonOf } from "../refusal.ts";
import type { InputAccess } from "./access.ts";
import type { FetchStep } from "./step.ts";
import { fetchStep } from "./step.ts";
import type { Locked, LockedInput } from "./lock.ts";
import { sourceStorePath } from "./store-path.ts";

export interface FetchInputs {
  readonly workspace: Workspace;
  readonly inputs: readonly LockedInput[];
  readonly access: InputAccess;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type InputsFetched =
  /** What could not be had stays out: an evaluation that does not need it is none the worse. */
  | { readonly kind: "fetched"; readonly unfetched: readonly Unfetched[] }
  | { readonly kind: "cancelled" }
  | { readonly kind: "infrastructure"; readonly message: string };

export interface Unfetched {
  readonly input: LockedInput;
  readonly message: string;
}

/** Downloads at once: hosts count them, and the first lock of a large flake has dozens. */
const AT_ONCE = 4;
/** Seconds until a host that does not answer is given up, and until one that stalls is. */
const PATIENCE = { connect: "15", stalled: "60", attempts: "3" } as const;

/** Options for every Nix that fetches: a host that is away costs seconds, not the evaluation's time. */
export const FETCH_OPTIONS = [
  "--option",
  "connect-timeout",
  PATIENCE.connect,
  "--option",
  "stalled-download-timeout",
  PATIENCE.stalled,
  "--option",
  "download-attempts",
  PATIENCE.attempts,
] as const;

/**
 * Brings the locked inputs that the store lacks into it, each by a process of its own with the job's credentials. An
 * unchanged lock costs one question to the store and no network.
 */
export async function fetchInputs(options: FetchInputs): Promise<InputsFetched> {
  const { workspace, inputs, access, signal } = options;
  const wanted = inputs.filter(({ locked }) => locked["type"] !== "path");
  if (wanted.length === 0) return { kind: "fetched", unfetched: [] };
  const paths = wanted.map(({ locked }) => (isComplete(locked) ? pathOf(locked) : null));
  const known = paths.filter((path) => path !== null);
  const invalid = known.length === 0 ? new Set() : await invalidPaths(workspace, known, signal);
  const absent = wanted.filter((_, index) => {
    const path = paths[index];
    return typeof path !== "string" || invalid.has(path);
  });
  if (absent.length === 0) return { kind: "fetched", unfetched: [] };
  const own = absent.some(({ locked }) => repositoryOf(locked, access) !== null);
  const step = await fetchStep(workspace, access, own);
  const unfetched: Unfetched[] = [];
  let end: Exclude<InputsFetched, { kind: "fetched" }> | null = null;
  const queue = [...absent];
  const worker = async (): Promise<void> => {
    for (let input = queue.shift(); input !== undefined && end === null; input = queue.shift()) {
      const found = await fetchOne(options, step, input);
      if (found === null) continue;
      if ("input" in found) unfetched.push(found);
      else end ??= found;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return end ?? { kind: "fetched", unfetched };
}

async function fetchOne(
  { workspace, access, timeoutMs, signal }: FetchInputs,
  step: FetchStep,
  input: LockedInput,
): Promise<Unfetched | Exclude<InputsFetched, { kind: "fetched" }> | null> {
  const { name, locked } = input;
  const result = await workspace.launch({
    argv: step.around([
      "nix",
      "eval",
      "--raw",
      "--impure",
      ...FETCH_OPTIONS,
      "--expr",
      `(builtins.fetchTree (builtins.fromJSON ${literal(fetcherArguments(locked))})).outPath`,
    ]),
    env: step.env,
    files: step.files,
    network: "proxy",
    timeoutMs,
    graceMs: 1_000,
    signal,
    maxOutput: 1_024 * 1_024,
  });
  if (result.cancelled) return { kind: "cancelled" };
  if (ended(result)) return null;
  const said = saidBy(clean(text(result.stderr))) || describeLaunch(result);
  const what = `input ${JSON.stringify(name)} (${describeInput(locked)})`;
  const reason = result.timedOut ? "unreachable" : reasonOf(said);
  if (isPassing(reason)) {
    const host = hostOf(locked) ?? "its host";
    const how = reason === "limited" ? "asks to wait" : "cannot be reached";
    return { kind: "infrastructure", message: `fetching ${what}: ${host} ${how}: ${said}` };
  }
  const advice =
    reason === "denied"
      ? ` ${permissionAdvice(repositoryOf(locked, access), await access.access.others())}`
      : "";
  return { input, message: `${what} cannot be fetched: ${said}${advice}` };
}

/** What git said, then Nix, on one line: the trace and the warnings around it say nothing more. */
export function saidBy(stderr: string): string {
  const lines = stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !NOISE.test(line));
  return shorten(lines.slice(-12).join(" "), 2_000);
}

const NOISE = /^(?:warning:|fetching |copying |\(use '--show-trace')/u;

/** Where a fetched input lies when it is there; null where its lock does not say. */
function pathOf(locked: Locked): string | null {
  const { narHash } = locked;
  return typeof narHash === "string" ? sourceStorePath(narHash) : null;
}

/** Whether Nix takes it from the store without asking its host: it wants to know everything it would tell about it. */
function isComplete(locked: Locked): boolean {
  const has = (...names: string[]): boolean => names.every((name) => locked[name] !== undefined);
  switch (locked["type"]) {
    case "git":
      return (
        has("narHash", "rev", "lastModified") && (has("revCount") || locked["shallow"] === true)
      );
    case "hg":
    case "mercurial":
      return has("narHash", "rev", "revCount");
    case "github":
    case "gitlab":
    case "sourcehut":
      return has("narHash", "rev", "lastModified");
    default:
      return has("narHash");
  }
}

/** A fetcher's arguments: `dir` is a flake's, and what begins with `__` is Nix's own. */
function fetcherArguments(locked: Locked): Locked {
  return Object.fromEntries(
    Object.entries(locked).filter(([name]) => name !== "dir" && !name.startsWith("__")),
  );
}

function literal(locked: Locked): string {
  return `"${JSON.stringify(locked).replace(/["\\]|\$\{/gu, (found) => `\\${found}`)}"`;
}

/** `owner/name` where the input is on the host that the job's tokens are for. */
function repositoryOf(locked: Locked, { access, cloneUrl }: InputAccess): string | null {
  const { type, url, owner, repo } = locked;
  if (type === "github")
    return hostOf(locked) === new URL(cloneUrl).host ? `${String(owner)}/${String(repo)}` : null;
  return typeof url === "string" ? access.repositoryOf(url) : null;
}

const HOSTS: Readonly<Record<string, string>> = {
  github: "github.com",
  gitlab: "gitlab.com",
  sourcehut: "git.sr.ht",
};

function hostOf({ type, host, url }: Locked): string | null {
  if (typeof host === "string") return host;
  return HOSTS[String(type)] ?? (typeof url === "string" ? (URL.parse(url)?.host ?? null) : null);
}

function describeInput(locked: Locked): string {
  const { type, owner, repo, url, rev } = locked;
  const where = typeof url === "string" ? url : `${String(owner)}/${String(repo)}`;
  return `${String(type)} ${where}${typeof rev === "string" ? ` at ${rev}` : ""}`;
}
