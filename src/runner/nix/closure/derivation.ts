import * as z from "zod";
import { type DerivationText, DerivationWalk } from "../../../core/impact/index.ts";
import type { DerivationDifference } from "../../../protocol/impact.ts";
import type { Workspace } from "../launch.ts";
import { describeLaunch, ended, text } from "../launch.ts";
import { clean } from "../log/clean.ts";
import type { NixVersion } from "../version.ts";

/** Derivations of one process; their texts in all. */
const AT_ONCE = 500;
const OUTPUT_BYTES = 256 * 1_024 * 1_024;

const Uses = z.record(
  z.string(),
  z.union([
    z.array(z.string()),
    z.object({ outputs: z.array(z.string()) }).transform((input) => input.outputs),
  ]),
);
const Shown = z.object({
  system: z.string().optional(),
  platform: z.string().optional(),
  builder: z.string(),
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  structuredAttrs: z.record(z.string(), z.unknown()).nullish(),
  outputs: z.record(z.string(), z.object({ path: z.string().nullish() })),
  inputDrvs: Uses.optional(),
  inputSrcs: z.array(z.string()).optional(),
  inputs: z.object({ drvs: Uses, srcs: z.array(z.string()) }).optional(),
});
const ByPath = z.record(z.string(), Shown);
/** 2.32 and later wrap the table and leave out the store's folder. */
const Document = z.union([
  z
    .object({ derivations: ByPath, version: z.number() })
    .transform((document) => document.derivations),
  ByPath,
]);

/**
 * What differs between two derivations of the store. Only those that differ are read, level by level.
 * Throws when one of them is not in the store.
 */
export async function derivationDifference(
  workspace: Workspace,
  version: NixVersion,
  before: string,
  after: string,
  signal: AbortSignal,
): Promise<DerivationDifference> {
  const walk = new DerivationWalk(before, after);
  for (let more = true; more;)
    more = walk.learn(await readTexts(workspace, version, walk.wanted(), signal));
  return walk.difference();
}

async function readTexts(
  workspace: Workspace,
  version: NixVersion,
  drvs: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, DerivationText>> {
  const found = new Map<string, DerivationText>();
  const command = version.showDerivations.filter((argument) => argument !== "--recursive");
  for (let from = 0; from < drvs.length; from += AT_ONCE) {
    const result = await workspace.launch({
      argv: ["nix", ...command, ...drvs.slice(from, from + AT_ONCE)],
      network: "none",
      maxOutput: OUTPUT_BYTES,
      signal,
    });
    if (!ended(result) || result.truncated) {
      signal.throwIfAborted();
      throw new Error(
        `reading ${drvs.length} derivations: nix ${describeLaunch(result)}${result.truncated ? ", and printed too much" : ""}: ${clean(text(result.stderr)).slice(-500)}`,
      );
    }
    for (const [drv, shown] of parseTexts(text(result.stdout))) found.set(drv, shown);
  }
  return found;
}

function parseTexts(json: string): Map<string, DerivationText> {
  const document = Document.parse(JSON.parse(json));
  return new Map(Object.entries(document).map(([path, shown]) => [absolute(path), textOf(shown)]));
}

function textOf(shown: z.output<typeof Shown>): DerivationText {
  return {
    system: shown.system ?? shown.platform ?? "",
    builder: shown.builder,
    args: shown.args,
    env:
      shown.structuredAttrs == null
        ? shown.env
        : { ...shown.env, __json: JSON.stringify(shown.structuredAttrs) },
    sources: (shown.inputSrcs ?? shown.inputs?.srcs ?? []).map(absolute),
    inputs: new Map(
      Object.entries(shown.inputDrvs ?? shown.inputs?.drvs ?? {}).map(([path, outputs]) => [
        absolute(path),
        outputs,
      ]),
    ),
    outputs: new Map(
      Object.entries(shown.outputs).map(([output, { path }]) => {
        const known = path ?? shown.env[output];
        return [output, known === undefined || known === "" ? null : absolute(known)];
      }),
    ),
  };
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/nix/store/${path}`;
}
