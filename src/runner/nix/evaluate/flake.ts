import { posix } from "node:path";
import * as z from "zod";
import type { Position } from "../../../protocol/verdict.ts";
import type { LaunchResult, Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean, shorten } from "../log/clean.ts";
import type { LogPosition } from "../log/event.ts";
import { eventReader } from "../log/reader.ts";
import { flakeExpression, nixString } from "./expression.ts";
import { needsNetwork } from "./group.ts";
import { bestPosition, spelledPositions } from "./position.ts";

const Metadata = z.object({
  /** The tree in the store. */
  path: z.string(),
  locked: z
    .object({
      narHash: z.string(),
      rev: z.string().optional(),
      ref: z.string().optional(),
      lastModified: z.number().optional(),
    })
    .loose(),
  locks: z.object({
    root: z.string(),
    nodes: z.record(
      z.string(),
      z.object({ inputs: z.record(z.string(), z.unknown()).optional() }).loose(),
    ),
  }),
});

/** A flake whose inputs are fetched, locked by content. */
export interface LockedFlake {
  /** Nix text of it, as pure evaluation accepts it. */
  readonly expression: string;
  /** Where its tree lies in the store. */
  readonly storePath: string;
  readonly hasInputs: boolean;
}

export type Locked =
  | { readonly kind: "locked"; readonly flake: LockedFlake; readonly warnings: readonly string[] }
  | { readonly kind: "error"; readonly message: string; readonly position: Position | null }
  | { readonly kind: "cancelled" }
  | { readonly kind: "infrastructure"; readonly message: string };

export interface LockOptions {
  readonly workspace: Workspace;
  /** The tree as the job's programs see it. */
  readonly tree: string;
  /** Where `flake.nix` lies, relative to the tree; "" or "." for its root. */
  readonly directory: string;
  /** A git checkout whose revision the flake is to see. */
  readonly revision: string | null;
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Copies the tree to the store and fetches the inputs that its lock file names. Nothing is written to the tree: an
 * input that is not locked is resolved for this evaluation only, and warned of.
 */
export async function lockFlake(options: LockOptions): Promise<Locked> {
  const directory = posix
    .join(".", options.directory === "" ? "." : options.directory)
    .replace(/\/$/u, "");
  if (directory.startsWith("..") || posix.isAbsolute(options.directory)) {
    return {
      kind: "error",
      message: `the flake's directory ${JSON.stringify(options.directory)} is not inside the repository`,
      position: null,
    };
  }
  const given = { ...options, directory };
  const first = await attempt(given, "none", null);
  if (first.kind === "error" && /unsupported parameter 'dir'/u.test(first.message))
    return await attempts(given, await writeWrapper(given));
  const found =
    first.kind === "error" && needsNetwork(first.message)
      ? await attempt(given, "proxy", null)
      : first;
  if (found.kind !== "locked" || !found.warnings.some((warning) => UNLOCKED.test(warning)))
    return found;
  // Pure evaluation takes no input that is not locked, and the tree's own lock file stays as it is.
  const locked = await attempts(given, await writeWrapper(given));
  return locked.kind === "locked" ? { ...locked, warnings: found.warnings } : locked;
}

/** What Nix says where a lock file would have to be changed. */
const UNLOCKED = /not writing modified lock file/u;

/** Without the network first; it is opened when a fetcher misses it. */
async function attempts(options: LockOptions, wrapper: string | null): Promise<Locked> {
  const first = await attempt(options, "none", wrapper);
  return first.kind === "error" && needsNetwork(first.message)
    ? await attempt(options, "proxy", wrapper)
    : first;
}

/** What is no error of Nix's own (a lock file that is not JSON) is told as a message only. Nothing is built here that could forge it. */
function bareError(message: string): string | null {
  return message.startsWith("error: ") ? message.slice("error: ".length) : null;
}

async function attempt(
  options: LockOptions,
  network: "none" | "proxy",
  wrapper: string | null,
): Promise<Locked> {
  const warnings: string[] = [];
  let error: { message: string; positions: (LogPosition | null)[] } | null = null;
  let plain = "";
  const lines = eventReader((event) => {
    if (event.kind === "text") plain = `${plain}${clean(event.line)}\n`.slice(-2_000);
    if (event.kind !== "message") return;
    const bare = event.error ?? bareError(event.message);
    if (bare !== null && event.level === 0)
      error = {
        message: bare,
        positions: [event.position, ...event.trace, ...spelledPositions(event.message)],
      };
    else if (event.message.startsWith("warning:")) warnings.push(event.message);
  });
  const result = await options.workspace.launch({
    argv: [
      "nix",
      "flake",
      "metadata",
      "--json",
      "--show-trace",
      ...(wrapper === null ? ["--no-write-lock-file"] : []),
      "--log-format",
      "internal-json",
      "--option",
      "accept-flake-config",
      "false",
      "--option",
      "allow-import-from-derivation",
      "false",
      wrapper === null ? reference(options) : `path:${wrapper}`,
    ],
    network,
    memoryBytes: options.memoryBytes,
    timeoutMs: options.timeoutMs,
    graceMs: 1_000,
    signal: options.signal,
    maxOutput: 8 * 1_024 * 1_024,
    onStderr: (chunk) => lines.push(chunk),
  });
  lines.end();
  if (ended(result)) {
    const metadata = Metadata.parse(JSON.parse(text(result.stdout)));
    return {
      kind: "locked",
      flake: wrapper === null ? locked(metadata, options) : await unwrapped(metadata, options),
      warnings:
        wrapper === null ? warnings : warnings.filter((warning) => !warning.includes("lock file")),
    };
  }
  return failure(result, error, plain, async () => [options.tree, await storeCopy(options)]);
}

/** Nix expression of the tree as a fetcher's arguments. */
function fetched({ tree, revision }: LockOptions): string {
  return revision === null
    ? `type = "path"; path = ${nixString(tree)};`
    : `type = "git"; url = ${nixString(`file://${tree}`)}; rev = ${nixString(revision)}; shallow = true;`;
}

/** Where the tree's copy in the store lies; asked where Nix did not come to say. The tree itself when it cannot be copied. */
async function storeCopy(options: LockOptions): Promise<string> {
  const result = await options.workspace.launch({
    argv: [
      "nix",
      "eval",
      "--raw",
      "--impure",
      "--expr",
      `(builtins.fetchTree { ${fetched(options)} }).outPath`,
    ],
    network: "none",
    signal: options.signal,
  });
  return ended(result) ? text(result.stdout).trim() : options.tree;
}

function reference(options: LockOptions): string {
  const query = new URLSearchParams();
  if (options.revision !== null) query.set("rev", options.revision);
  if (options.revision !== null) query.set("shallow", "1");
  if (options.directory !== ".") query.set("dir", options.directory);
  const scheme = options.revision === null ? "path:" : "git+file://";
  return `${scheme}${encodeURI(options.tree)}${query.size > 0 ? `?${spelled(query)}` : ""}`;
}

function locked(metadata: z.output<typeof Metadata>, options: LockOptions): LockedFlake {
  const found = { storePath: metadata.path, hasInputs: inputsOf(metadata, metadata.locks.root) };
  // A git address that names a commit is locked by it.
  if (options.revision !== null)
    return { expression: flakeExpression(reference(options)), ...found };
  const { directory } = options;
  const query = new URLSearchParams({ narHash: metadata.locked.narHash });
  if (metadata.locked.lastModified !== undefined)
    query.set("lastModified", String(metadata.locked.lastModified));
  if (directory !== ".") query.set("dir", directory);
  return { expression: flakeExpression(`path:${metadata.path}?${spelled(query)}`), ...found };
}

function inputsOf({ locks }: z.output<typeof Metadata>, node: string): boolean {
  return Object.keys(locks.nodes[node]?.inputs ?? {}).length > 0;
}

/** The wrapper's one input. */
const WRAPPED = "source";

/**
 * The flake becomes the one input of a flake of ours, which may be locked in writing: for Nix 2.8, which takes no `dir` in
 * a path's address but does in an input's attributes, and for inputs that the tree does not lock. @returns its folder.
 */
async function writeWrapper(options: LockOptions): Promise<string> {
  const { workspace, directory, signal } = options;
  const folder = posix.join(workspace.directory, "wrapper");
  const dir = directory === "." ? "" : `dir = ${nixString(directory)}; `;
  const content = `{ inputs.${WRAPPED} = { ${fetched(options)} ${dir}}; outputs = _: { }; }\n`;
  const result = await workspace.launch({
    argv: [
      "sh",
      "-c",
      'mkdir -p -- "$1" && rm -f -- "$1/flake.lock" && cat > "$1/flake.nix"',
      "sh",
      folder,
    ],
    input: content,
    network: "none",
    signal,
  });
  if (!ended(result))
    throw new Error(
      `writing ${folder}: ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`,
    );
  return folder;
}

async function unwrapped(
  metadata: z.output<typeof Metadata>,
  { workspace, signal }: LockOptions,
): Promise<LockedFlake> {
  const query = new URLSearchParams({ narHash: metadata.locked.narHash });
  const outer = `(builtins.getFlake ${nixString(`path:${metadata.path}?${spelled(query)}`)}).inputs.${WRAPPED}`;
  const result = await workspace.launch({
    argv: ["nix", "eval", "--raw", "--expr", `${outer}.sourceInfo.outPath`],
    network: "none",
    signal,
  });
  // Where its outputs fail, reading them says so better; only the places of errors are lost.
  const storePath = ended(result) ? text(result.stdout).trim() : metadata.path;
  return { expression: outer, storePath, hasInputs: inputsOf(metadata, WRAPPED) };
}

/** Nix reads `+` as itself, so a blank must be `%20`. */
function spelled(query: URLSearchParams): string {
  return query.toString().replaceAll("+", "%20");
}

async function failure(
  result: LaunchResult,
  error: { message: string; positions: (LogPosition | null)[] } | null,
  plain: string,
  roots: () => Promise<string[]>,
): Promise<Locked> {
  if (result.cancelled) return { kind: "cancelled" };
  if (result.timedOut)
    return {
      kind: "error",
      message:
        "reading the flake and fetching its inputs took too long: the time limit of the evaluation passed",
      position: null,
    };
  if (result.outOfMemory)
    return {
      kind: "error",
      message: "reading the flake needs more memory than the limit",
      position: null,
    };
  if (error === null) {
    const said = /^error: (.*)$/mu.exec(plain)?.[1];
    if (said !== undefined) return { kind: "error", message: said, position: null };
    return {
      kind: "infrastructure",
      message: `nix flake metadata ${describeLaunch(result)}: ${plain.trim().slice(-500)}`,
    };
  }
  const message = shorten(error.message, 16_384);
  if (/cannot connect to (?:daemon|socket)|SQLite database|Nix daemon disconnected/u.test(message))
    return { kind: "infrastructure", message };
  return { kind: "error", message, position: bestPosition(error.positions, await roots()) };
}
