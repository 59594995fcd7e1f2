import type { Attribute, AttributeResult } from "../../protocol/attribute.ts";
import { attributeName } from "../../protocol/attribute.ts";
import type { Finding } from "../../protocol/data.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import { expected, inSet, matches, reaches } from "../../core/config/match.ts";
import { readConfiguration } from "../../core/config/read.ts";
import { resolve } from "../../core/config/resolve.ts";
import { CONFIGURATION_FILE } from "../../core/config/schema.ts";
import { isOfSystems } from "../../core/run/required.ts";
import { build } from "../nix/build/index.ts";
import { runMemory } from "../nix/build/failure.ts";
import { Tail } from "../nix/build/tail.ts";
import { evaluate } from "../nix/evaluate/index.ts";
import { findJobs } from "../nix/evaluate/jobs/index.ts";
import { clean } from "../nix/log/clean.ts";
import { lineSplitter } from "../nix/log/lines.ts";
import type { Workspace } from "../nix/launch.ts";
import type { NixFacts } from "../nix/version.ts";
import { configurationText, copyCheckout } from "./checkout.ts";
import type { Row } from "./report.ts";
import { tailOf } from "./report.ts";

export interface CheckOptions {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  readonly checkout: string;
  /** Systems that are required, instead of the configuration's; null leaves it to that. */
  readonly systems: readonly string[] | null;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly say: (line: string) => void;
}

export interface Checked {
  readonly rows: readonly Row[];
  readonly warnings: readonly string[];
  /** What the outputs should not be; it fails nothing. */
  readonly findings: readonly Finding[];
}

/** Evaluates and builds a checkout as a runner would, without GitHub and without a Worker. */
export async function check(options: CheckOptions): Promise<Checked> {
  const { workspace, facts, checkout, signal, now, say } = options;
  const read = readConfiguration(await configurationText(checkout, CONFIGURATION_FILE));
  if (!read.ok)
    return {
      rows: read.errors.map(({ file, line, column, message }) =>
        problem(file, { kind: "evaluation-error", message, position: { file, line, column } }),
      ),
      warnings: [],
      findings: [],
    };
  const resolved = resolve(
    read.configuration,
    [{ systems: options.systems ?? facts.systems }],
    "trusted",
  );
  const tree = await copyCheckout(workspace, checkout, signal);
  const jobs = await findJobs(workspace);
  const rows: Row[] = [];
  const warnings: string[] = [];
  const findings: Finding[] = [];
  const found: Attribute[] = [];
  for (const [index, selection] of resolved.selections.entries()) {
    const result = await evaluate({
      workspace,
      version: facts.version,
      tree,
      revision: null,
      selection,
      index,
      seconds: resolved.limits.evaluationSeconds,
      memoryBytes: resolved.limits.evaluationBytes,
      imports: resolved.limits,
      jobs,
      signal,
      now,
      onAttribute: (attribute) => found.push(attribute),
    });
    const name = selection.kind === "flake" ? selection.directory || "." : selection.file;
    switch (result.kind) {
      case "evaluated":
        warnings.push(...result.warnings);
        findings.push(...result.findings);
        rows.push(
          ...result.missing.map((missing) =>
            problem(missing, {
              kind: "not-covered",
              reason: `${name} has no attribute ${missing}`,
            }),
          ),
        );
        break;
      case "error":
        warnings.push(...result.warnings);
        rows.push(
          problem(name, {
            kind: "evaluation-error",
            message: result.message,
            position: result.position,
          }),
        );
        break;
      case "infrastructure":
        rows.push(problem(name, { kind: "infrastructure", message: result.message, logTail: "" }));
        break;
      case "cancelled":
        rows.push(problem(name, { kind: "cancelled", by: "a signal" }));
        break;
    }
  }
  if (resolved.revision)
    warnings.push(
      "warning: the revision is not visible to a flake here, as it is on a runner with revision: true",
    );
  const set = resolved.sets.pull_request;
  rows.push(
    ...expected(set, resolved.selections)
      .filter((pattern) => !found.some(({ path }) => matches(pattern, path)))
      .map((pattern) =>
        problem(pattern, {
          kind: "not-covered",
          reason: `sets.pull_request names ${pattern}, and nothing is called so`,
        }),
      ),
  );
  const required = (attribute: Attribute): boolean => {
    const { path, selection, result } = attribute;
    if (!inSet(set, path) && !(result.kind === "error" && reaches(set, path))) return false;
    const systems = resolved.required[selection];
    // Of a file every attribute is required, and of a flake where nobody names a system.
    if (systems === null || systems === undefined) return true;
    return isOfSystems(attribute, options.systems ?? systems);
  };
  const results = await builds(options, found.filter(required), resolved.limits, say);
  rows.push(...found.map((attribute) => row(attribute, required(attribute), results)));
  return { rows, warnings, findings };
}

interface Built {
  readonly result: AttributeResult;
  readonly tail: string;
}

async function builds(
  options: CheckOptions,
  attributes: readonly Attribute[],
  limits: { buildSeconds: number; silentSeconds: number },
  say: (line: string) => void,
): Promise<Map<string, Built>> {
  const goals = attributes.flatMap(({ selection, path, result }) =>
    result.kind === "derivation" ? [{ selection, path, drv: result.derivation.path }] : [],
  );
  const built = new Map<string, Built>();
  if (goals.length === 0) return built;
  const tails = new Map<string, Tail>();
  await build({
    workspace: options.workspace,
    facts: options.facts,
    goals,
    limits,
    memory: runMemory(),
    signal: options.signal,
    now: options.now,
    say,
    sink: {
      async results(list) {
        for (const result of list)
          built.set(key(result), {
            result,
            tail:
              tailOf(result.verdict) ||
              (result.log === null ? "" : (tails.get(result.log)?.toString() ?? "")),
          });
      },
      log(stream) {
        let tail = tails.get(stream);
        if (tail === undefined) tails.set(stream, (tail = new Tail()));
        const kept = tail;
        const lines = lineSplitter((line) => kept.push(clean(line)));
        return { write: async (bytes) => lines.push(bytes), close: async () => lines.end() };
      },
    },
  });
  return built;
}

function key({ selection, path }: { selection: number; path: readonly string[] }): string {
  return JSON.stringify([selection, path]);
}

function row(attribute: Attribute, required: boolean, built: ReadonlyMap<string, Built>): Row {
  const name = attributeName(attribute.path);
  const { result } = attribute;
  if (result.kind === "error") {
    const verdict: Verdict = {
      kind: "evaluation-error",
      message: result.message,
      position: result.position,
    };
    return {
      name,
      system: attribute.system,
      drv: null,
      verdict,
      required,
      seconds: attribute.seconds ?? 0,
      logTail: tailOf(verdict),
    };
  }
  const system = attribute.system ?? result.derivation.system;
  const known = built.get(key(attribute));
  if (known === undefined)
    return {
      name,
      system,
      drv: result.derivation.path,
      verdict: { kind: "evaluated-only" },
      required,
      seconds: 0,
      logTail: "",
    };
  return {
    name,
    system,
    drv: result.derivation.path,
    verdict: known.result.verdict,
    required,
    seconds: known.result.seconds,
    logTail: known.tail,
  };
}

/** What concerns no attribute, such as a flake that does not parse. */
function problem(name: string, verdict: Verdict): Row {
  return {
    name,
    system: null,
    drv: null,
    verdict,
    required: true,
    seconds: 0,
    logTail: tailOf(verdict),
  };
}
