import * as z from "zod";
import type { NixVersion } from "../version.ts";
import type { LaunchResult, Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean } from "../log/clean.ts";

/** A derivation as the graph needs it. Paths are absolute. */
export interface GraphNode {
  readonly drv: string;
  readonly name: string;
  readonly system: string;
  /** `requiredSystemFeatures`, sorted. */
  readonly features: readonly string[];
  /** What comes out is known by its hash, and so it may use the network. */
  readonly fixedOutput: boolean;
  /** Output name → path; null where it is not known before the build. */
  readonly outputs: ReadonlyMap<string, string | null>;
  /** Derivation → the outputs of it that are used. */
  readonly inputs: ReadonlyMap<string, readonly string[]>;
}
export type Graph = ReadonlyMap<string, GraphNode>;

const Uses = z.record(
  z.string(),
  z.union([
    z.array(z.string()),
    z.object({ outputs: z.array(z.string()) }).transform((input) => input.outputs),
  ]),
);
const Shown = z.object({
  name: z.string().optional(),
  system: z.string().optional(),
  platform: z.string().optional(),
  outputs: z.record(
    z.string(),
    z.object({ path: z.string().nullish(), hash: z.string().nullish() }),
  ),
  inputDrvs: Uses.optional(),
  inputs: z.object({ drvs: Uses }).optional(),
  env: z.record(z.string(), z.string()).default({}),
  structuredAttrs: z.record(z.string(), z.unknown()).nullish(),
});
const ByPath = z.record(z.string(), Shown);
/** 2.32 and later wrap the table and leave out the store's folder. */
const Document = z.union([
  z
    .object({ derivations: ByPath, version: z.number() })
    .transform((document) => document.derivations),
  ByPath,
]);

/** Bytes of a whole closure's JSON: a NixOS system has some thousand derivations of a few KB. */
const CLOSURE_BYTES = 480 * 1_024 * 1_024;

/** Reads derivations; null unless every one is in the store. */
export async function tryShowDerivations(
  workspace: Workspace,
  version: NixVersion,
  drvs: readonly string[],
  signal: AbortSignal,
): Promise<Graph | null> {
  const result = await show(workspace, version, drvs, false, signal);
  if (ended(result) && !result.truncated) return parseDerivations(text(result.stdout));
  signal.throwIfAborted();
  return null;
}

/** Reads derivations, and with `recursive` everything that they are built from. Throws when one is not in the store. */
export async function showDerivations(
  workspace: Workspace,
  version: NixVersion,
  drvs: readonly string[],
  recursive: boolean,
  signal: AbortSignal,
): Promise<Graph> {
  if (drvs.length === 0) return new Map();
  const result = await show(workspace, version, drvs, recursive, signal);
  if (!ended(result) || result.truncated) {
    signal.throwIfAborted();
    throw new Error(
      `reading ${drvs.length} derivations: nix ${describeLaunch(result)}${result.truncated ? ", and printed too much" : ""}: ${clean(text(result.stderr)).slice(-500)}`,
    );
  }
  return parseDerivations(text(result.stdout));
}

function show(
  workspace: Workspace,
  { showDerivations: all }: NixVersion,
  drvs: readonly string[],
  recursive: boolean,
  signal: AbortSignal,
): Promise<LaunchResult> {
  const command = recursive ? all : all.filter((argument) => argument !== "--recursive");
  return workspace.launch({
    argv: ["nix", ...command, ...drvs],
    network: "none",
    maxOutput: CLOSURE_BYTES,
    signal,
  });
}

export function parseDerivations(json: string): Graph {
  const document = Document.parse(JSON.parse(json));
  return new Map(
    Object.entries(document).map(([path, shown]) => [absolute(path), node(absolute(path), shown)]),
  );
}

function node(drv: string, shown: z.output<typeof Shown>): GraphNode {
  const name = shown.name ?? shown.env["name"] ?? drv.slice(44, -4);
  return {
    drv,
    name,
    system: shown.system ?? shown.platform ?? "",
    features: features(shown),
    fixedOutput: Object.values(shown.outputs).some(({ hash }) => hash != null),
    outputs: new Map(
      Object.entries(shown.outputs).map(([output, { path }]) => [
        output,
        outputPath(path ?? shown.env[output]),
      ]),
    ),
    inputs: new Map(
      Object.entries(shown.inputDrvs ?? shown.inputs?.drvs ?? {}).map(([path, outputs]) => [
        absolute(path),
        outputs,
      ]),
    ),
  };
}

const Names = z.array(z.string());
const Structured = z
  .object({ requiredSystemFeatures: Names })
  .transform((attributes) => attributes.requiredSystemFeatures);

function features(shown: z.output<typeof Shown>): string[] {
  const structured = Structured.safeParse(shown.structuredAttrs ?? embedded(shown.env["__json"]));
  const names = structured.success
    ? structured.data
    : (shown.env["requiredSystemFeatures"] ?? "").split(/\s+/u);
  return [...new Set(names.filter((name) => name !== ""))].toSorted();
}

function embedded(json: string | undefined): unknown {
  if (json === undefined) return null;
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function outputPath(path: string | undefined): string | null {
  return path === undefined || path === "" ? null : absolute(path);
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/nix/store/${path}`;
}
