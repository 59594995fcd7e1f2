import { readConfiguration } from "../../core/config/read.ts";
import { resolve } from "../../core/config/resolve.ts";
import { CONFIGURATION_FILE } from "../../core/config/schema.ts";
import { parseYaml } from "../../core/config/yaml.ts";
import {
  type Answers,
  commandsOf,
  countMachines,
  examine,
  type Found,
  type Level,
} from "../../core/doctor/index.ts";
import { configurationText, copyCheckout } from "../check/index.ts";
import { evaluate } from "../nix/evaluate/index.ts";
import { findJobs } from "../nix/evaluate/jobs/index.ts";
import type { InventoryMachine } from "../../protocol/impact.ts";
import type { Workspace } from "../nix/launch.ts";
import type { NixFacts } from "../nix/version.ts";
import { present } from "./files.ts";
import { kropsTreeOf } from "./krops.ts";
import { needsMet } from "./needs.ts";

export interface LookOptions {
  readonly workspace: Workspace;
  readonly facts: NixFacts;
  readonly checkout: string;
  /** Systems that runners have; null: this machine's. */
  readonly systems: readonly string[] | null;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** A problem at its place in the configuration; `line` is null where there is none to show. */
export interface Told {
  readonly level: Level;
  /** The key, as `tests.boot.vm`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
  readonly line: number | null;
  readonly column: number | null;
}

export interface Looked {
  readonly problems: readonly Told[];
  /** How much there was. */
  readonly seen: Readonly<
    Record<"attributes" | "machines" | "tests" | "push" | "rollouts" | "bumps", number>
  >;
}

/** How the evaluation says that it could not read an inventory. */
const UNREAD = "clan's inventory cannot be read";

const NOTHING = { attributes: 0, machines: 0, tests: 0, push: 0, rollouts: 0, bumps: 0 };

/** Holds a checkout's configuration against the checkout's own evaluation; builds nothing. */
export async function look(options: LookOptions): Promise<Looked> {
  const { workspace, facts, checkout, signal, now } = options;
  const text = await configurationText(checkout, CONFIGURATION_FILE);
  const read = readConfiguration(text);
  if (!read.ok)
    return {
      problems: read.errors.map(({ line, column, message }) => {
        return { level: "error", key: "", message, line, column };
      }),
      seen: NOTHING,
    };
  const { configuration } = read;
  const systems = options.systems ?? facts.systems;
  const { selections, limits } = resolve(configuration, [{ systems }], "trusted");
  const tree = await copyCheckout(workspace, checkout, signal);
  const files = selections.map((one) =>
    one.kind === "flake" ? `${one.directory}/flake.nix`.replace(/^\.\//u, "") : one.file,
  );
  const there = await present(workspace, tree, files);
  const jobs = await findJobs(workspace);
  const attributes: Found[] = [];
  const inventory: InventoryMachine[] = [];
  const unread: string[] = [];
  const answered: Answers["entries"][number][] = [];
  for (const [index, selection] of selections.entries()) {
    const file = files[index]!;
    if (!there.has(file)) {
      answered.push({ kind: "no-file", file });
      continue;
    }
    const result = await evaluate({
      workspace,
      version: facts.version,
      tree,
      revision: null,
      selection,
      index,
      seconds: limits.evaluationSeconds,
      memoryBytes: limits.evaluationBytes,
      imports: limits,
      jobs,
      signal,
      now,
      onAttribute: ({ selection: of, path, system, result: one }) =>
        attributes.push({
          selection: of,
          path,
          system: system ?? (one.kind === "derivation" ? one.derivation.system : null),
          drv: one.kind === "derivation" ? one.derivation.path : null,
          error: one.kind === "error" ? one.message : null,
        }),
    });
    signal.throwIfAborted();
    if (result.kind === "evaluated") {
      answered.push({ kind: "evaluated", missing: result.missing });
      inventory.push(...result.inventory);
      unread.push(...result.warnings.filter((warning) => warning.includes(UNREAD)));
    } else {
      const message = result.kind === "cancelled" ? "it was cancelled" : result.message;
      answered.push({ kind: "failed", message });
    }
  }
  const uses = commandsOf(configuration);
  const commands = await needsMet({ ...options, tree, systems, limits, uses });
  const krops = await kropsTreeOf(workspace, tree, configuration);
  const answers = { selections, entries: answered, attributes, inventory, unread, krops, commands };
  const problems = examine(
    configuration,
    answers,
    uses.map(({ path }) => path),
  );
  const parsed = text === null ? null : parseYaml(text);
  return {
    problems: problems.map(({ level, path, message }) => {
      const place = parsed?.ok === true && path.length > 0 ? parsed.placeOf(path) : null;
      return {
        level,
        key: path.join("."),
        message,
        line: place?.line ?? null,
        column: place?.column ?? null,
      };
    }),
    seen: {
      attributes: attributes.length,
      machines: countMachines(configuration, answers),
      tests: Object.keys(configuration.tests ?? {}).length,
      push: Object.keys(configuration.push ?? {}).length,
      rollouts: Object.keys(configuration.rollouts ?? {}).length,
      bumps: Object.keys(configuration.bumps ?? {}).length,
    },
  };
}
