import { posix } from "node:path";
import * as z from "zod";
import type { Source } from "../../../protocol/source.ts";
import type { Position } from "../../../protocol/verdict.ts";
import type { LaunchResult, Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean, shorten } from "../log/clean.ts";
import type { LogPosition } from "../log/event.ts";
import { eventReader } from "../log/reader.ts";
import { blamesStore } from "../machinery.ts";
import { FETCH_OPTIONS, saidBy } from "../../source/inputs/fetch.ts";
import { Graph } from "../../source/inputs/lock.ts";
import type { FetchStep } from "../../source/inputs/step.ts";
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
  locks: Graph,
});

/** A flake as `nix flake metadata` tells of it. */
export interface ReadFlake {
  /** Nix text of it, as pure evaluation accepts it. */
  readonly expression: string;
  /** Where its tree lies in the store. */
  readonly storePath: string;
  readonly graph: Graph;
  /** The flake's own node in the graph. */
  readonly node: string;
}

export type Metadated =
  | { readonly kind: "read"; readonly flake: ReadFlake; readonly warnings: readonly string[] }
  | {
      readonly kind: "error";
      readonly message: string;
      readonly position: Position | null;
      /** It came to this with the network open. */
      readonly fetching: boolean;
    }
  | { readonly kind: "cancelled" }
  | { readonly kind: "infrastructure"; readonly message: string };

export interface MetadataOptions {
  readonly workspace: Workspace;
  /** The tree as the job's programs see it. */
  readonly tree: string;
  /** Where `flake.nix` lies, relative to the tree; "." for its root. */
  readonly directory: string;
  /** A git checkout whose revision the flake is to see. */
  readonly revision: string | null;
  /** What the flake of a tree without git is to take for its revision. */
  readonly shownAs?: Source["shownAs"] | null;
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  /** Credentials, asked for when something has to be fetched to lock it. */
  readonly step: () => Promise<FetchStep>;
  readonly signal: AbortSignal;
}

/**
 * Copies the tree to the store and reads what its inputs are. Nothing is written to the tree: an input that is not locked
 * is resolved for this evaluation only, and warned of.
 */
export async function metadata(options: MetadataOptions): Promise<Metadated> {
  const first = await attempt(options, null, null);
  if (first.kind === "error" && /unsupported parameter 'dir'/u.test(first.message))
    return await attempts(options, await writeWrapper(options));
  const found =
    first.kind === "error" && needsNetwork(first.message)
      ? await attempt(options, await options.step(), null)
      : first;
  if (found.kind !== "read" || !found.warnings.some((warning) => UNLOCKED.test(warning)))
    return found;
  // Pure evaluation takes no input that is not locked, and the tree's own lock file stays as it is.
  const locked = await attempts(options, await writeWrapper(options));
  return locked.kind === "read" ? { ...locked, warnings: found.warnings } : locked;
}

/** What Nix says where a lock file would have to be changed. */
const UNLOCKED = /not writing modified lock file/u;

/** Without the network first; it is opened when a fetcher misses it. */
async function attempts(options: MetadataOptions, wrapper: string): Promise<Metadated> {
  const first = await attempt(options, null, wrapper);
  const found =
    first.kind === "error" && needsNetwork(first.message)
      ? await attempt(options, await options.step(), wrapper)
      : first;
  // 2.34 tells of the tree as it was before it wrote the lock file into it: once more, now that nothing is to be written.
  return found.kind === "read" ? await attempt(options, null, wrapper) : found;
}

/** What is no error of Nix's own (a lock file that is not JSON) is told as a message only. Nothing is built here that could forge it. */
function bareError(message: string): string | null {
  return message.startsWith("error: ") ? message.slice("error: ".length) : null;
}

async function attempt(
  options: MetadataOptions,
  step: FetchStep | null,
  wrapper: string | null,
): Promise<Metadated> {
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
  const argv = [
    "nix",
    "flake",
    "metadata",
    "--json",
    "--show-trace",
    "--log-format",
    "internal-json",
    ...(wrapper === null ? ["--no-write-lock-file"] : []),
    "--option",
    "accept-flake-config",
    "false",
    "--option",
    "allow-import-from-derivation",
    "false",
    ...FETCH_OPTIONS,
    wrapper === null ? reference(options) : `path:${wrapper}`,
  ] as const;
  const result = await options.workspace.launch({
    ...(step === null
      ? { argv, network: "none" }
      : { argv: step.around(argv), env: step.env, files: step.files, network: "proxy" }),
    memoryBytes: options.memoryBytes,
    timeoutMs: options.timeoutMs,
    graceMs: 1_000,
    signal: options.signal,
    maxOutput: 8 * 1_024 * 1_024,
    onStderr: (chunk) => lines.push(chunk),
  });
  lines.end();
  if (ended(result)) {
    const read = Metadata.parse(JSON.parse(text(result.stdout)));
    return {
      kind: "read",
      flake: wrapper === null ? locked(read, options) : await unwrapped(read, options),
      warnings:
        wrapper === null ? warnings : warnings.filter((warning) => !warning.includes("lock file")),
    };
  }
  const fetching = step !== null;
  return failure({ result, error, plain, fetching }, async () => [
    options.tree,
    await storeCopy(options),
  ]);
}

/** Nix expression of the tree as a fetcher's arguments. */
function fetched({ tree, revision }: MetadataOptions): string {
  return revision === null
    ? `type = "path"; path = ${nixString(tree)};`
    : `type = "git"; url = ${nixString(`file://${tree}`)}; rev = ${nixString(revision)}; shallow = true;`;
}

/** What a path is to say of itself: Nix takes its word with its hash, without which it looks at the files' age. */
async function shown(options: MetadataOptions): Promise<string> {
  const { shownAs } = options;
  if (shownAs == null) return "";
  const { sha, lastModified } = shownAs;
  const hash = nixString(await treeHash(options));
  return ` rev = ${nixString(sha)}; lastModified = ${lastModified ?? 0}; narHash = ${hash};`;
}

async function treeHash(options: MetadataOptions): Promise<string> {
  const expression = `(builtins.fetchTree { ${fetched(options)} }).narHash`;
  const result = await options.workspace.launch({
    argv: ["nix", "eval", "--raw", "--impure", "--expr", expression],
    network: "none",
    signal: options.signal,
  });
  if (ended(result)) return text(result.stdout).trim();
  options.signal.throwIfAborted();
  throw new Error(
    `reading the hash of ${options.tree}: ${describeLaunch(result)}: ${text(result.stderr).slice(-500)}`,
  );
}

/** Where the tree's copy in the store lies; asked where Nix did not come to say. The tree itself when it cannot be copied. */
async function storeCopy(options: MetadataOptions): Promise<string> {
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

function reference(options: MetadataOptions): string {
  const query = new URLSearchParams();
  if (options.revision !== null) query.set("rev", options.revision);
  if (options.revision !== null) query.set("shallow", "1");
  if (options.directory !== ".") query.set("dir", options.directory);
  const scheme = options.revision === null ? "path:" : "git+file://";
  return `${scheme}${encodeURI(options.tree)}${query.size > 0 ? `?${spelled(query)}` : ""}`;
}

function locked(metadata: z.output<typeof Metadata>, options: MetadataOptions): ReadFlake {
  const { path: storePath, locks: graph } = metadata;
  const found = { storePath, graph, node: graph.root };
  // A git address that names a commit is locked by it.
  if (options.revision !== null)
    return { expression: flakeExpression(reference(options)), ...found };
  const { directory, shownAs } = options;
  const query = new URLSearchParams({ narHash: metadata.locked.narHash });
  const lastModified = shownAs?.lastModified ?? metadata.locked.lastModified;
  if (lastModified !== undefined) query.set("lastModified", String(lastModified));
  // A path may carry what its repository would say: that is what these are for.
  if (shownAs != null) query.set("rev", shownAs.sha);
  if (directory !== ".") query.set("dir", directory);
  return { expression: flakeExpression(`path:${metadata.path}?${spelled(query)}`), ...found };
}

/** The wrapper's one input. */
const WRAPPED = "source";

/**
 * The flake becomes the one input of a flake of ours, which may be locked in writing: for Nix 2.8, which takes no `dir` in
 * a path's address but does in an input's attributes, and for inputs that the tree does not lock. @returns its folder.
 */
async function writeWrapper(options: MetadataOptions): Promise<string> {
  const { workspace, directory, signal } = options;
  const folder = posix.join(workspace.directory, "wrapper");
  const dir = directory === "." ? "" : `dir = ${nixString(directory)}; `;
  const content = `{ inputs.${WRAPPED} = { ${fetched(options)}${await shown(options)} ${dir}}; outputs = _: { }; }\n`;
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
  { workspace, signal }: MetadataOptions,
): Promise<ReadFlake> {
  const query = new URLSearchParams({ narHash: metadata.locked.narHash });
  const outer = `(builtins.getFlake ${nixString(`path:${metadata.path}?${spelled(query)}`)}).inputs.${WRAPPED}`;
  const result = await workspace.launch({
    argv: ["nix", "eval", "--raw", "--expr", `${outer}.sourceInfo.outPath`],
    network: "none",
    signal,
  });
  // Where its outputs fail, reading them says so better; only the places of errors are lost.
  const storePath = ended(result) ? text(result.stdout).trim() : metadata.path;
  return { expression: outer, storePath, graph: metadata.locks, node: WRAPPED };
}

/** Nix reads `+` as itself, so a blank must be `%20`. */
function spelled(query: URLSearchParams): string {
  return query.toString().replaceAll("+", "%20");
}

async function failure(
  {
    result,
    error,
    plain,
    fetching,
  }: {
    result: LaunchResult;
    error: { message: string; positions: (LogPosition | null)[] } | null;
    plain: string;
    fetching: boolean;
  },
  roots: () => Promise<string[]>,
): Promise<Metadated> {
  if (result.cancelled) return { kind: "cancelled" };
  if (result.timedOut)
    return {
      kind: "error",
      message:
        "reading the flake and fetching its inputs took too long: the time limit of the evaluation passed",
      position: null,
      fetching,
    };
  if (result.outOfMemory)
    return {
      kind: "error",
      message: "reading the flake needs more memory than the limit",
      position: null,
      fetching,
    };
  if (error === null) {
    const said = /^error: (.*)$/mu.exec(plain)?.[1];
    if (said !== undefined) return { kind: "error", message: said, position: null, fetching };
    return {
      kind: "infrastructure",
      message: `nix flake metadata ${describeLaunch(result)}: ${plain.trim().slice(-500)}`,
    };
  }
  // git writes past Nix's log.
  const git = fetching && /\bgit\b/iu.test(error.message) ? `${saidBy(plain)} ` : "";
  const message = shorten(`${git}${error.message}`, 16_384);
  if (blamesStore(message)) return { kind: "infrastructure", message };
  return {
    kind: "error",
    message,
    position: bestPosition(error.positions, await roots()),
    fetching,
  };
}
