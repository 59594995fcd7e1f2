import type { Position } from "../../../protocol/verdict.ts";
import { shorten } from "../log/clean.ts";
import type { Findings } from "./findings.ts";
import { withHint } from "./hints.ts";
import type { EvaluationOptions, Unprepared } from "./options.ts";
import type { Roots } from "./position.ts";
import { bestPosition, spelledPositions } from "./position.ts";
import type { Place, Said } from "./said.ts";
import type { Outline } from "./units.ts";
import type { Evaluator, WalkEnd } from "./walk.ts";
import { walk } from "./walk.ts";

/** How long the linter may be with one thing, and how many things may end its process. It is worth no more. */
const LINT = { silenceMs: 10_000, ends: 3 } as const;

/** As in a group: an error that could not be read is asked for again, without its trace. */
const UNREAD_TRIES = 2;

export interface OutlineOptions {
  readonly evaluator: Evaluator;
  /** Outputs whose systems are wanted. */
  readonly kinds: readonly string[];
  readonly roots: Roots;
  readonly timeoutMs: number;
  /** Where the linter's findings go; null leaves it out. */
  readonly findings: Findings | null;
}

/** Output names and their systems; an output that fails here becomes an attribute with its error. */
export async function readOutline(
  { evaluator, kinds, roots, timeoutMs, findings }: OutlineOptions,
  options: Pick<EvaluationOptions, "index" | "onAttribute">,
): Promise<{ kind: "outline"; outline: Outline; broken: ReadonlySet<string> } | Unprepared> {
  const broken = new Set<string>();
  const skip: Record<string, true> = {};
  let unread = 0;
  const report = (kind: string, message: string, position: Position | null): void => {
    broken.add(kind);
    options.onAttribute({
      selection: options.index,
      path: [kind],
      system: null,
      result: { kind: "error", message: shorten(message, 16_384), position },
      seconds: null,
    });
  };
  for (;;) {
    const look = new Look(findings);
    const end = await walk(
      { ...evaluator, trace: unread === 0 },
      {
        mode: findings === null ? "outline" : "lint",
        kinds: kinds.filter((kind) => !broken.has(kind)),
        units: [],
        skip,
        calls: false,
        args: {},
        depth: 0,
      },
      timeoutMs,
      (said, stop) => {
        look.hear(said, stop);
        if (said.kind === "refused" && said.path.length > 0) {
          const position = bestPosition([look.place], roots);
          report(said.path[0]!, said.reason, position);
        }
      },
    );
    look.end();
    if (end.kind === "cancelled" || end.kind === "infrastructure") return end;
    if (end.kind === "error" && end.unread && unread < UNREAD_TRIES) {
      unread += 1;
      continue;
    }
    const { outputs, systems, current } = look;
    if (look.outlined && outputs !== null) {
      const at = look.path;
      if (end.kind !== "done" && at !== null) {
        findings?.add(at, look.place, `cannot be evaluated: ${firstLine(explain(end))}`);
        skip[JSON.stringify(at)] = true;
        if (Object.keys(skip).length < LINT.ends) continue;
      }
      return { kind: "outline", outline: { outputs, systems }, broken };
    }
    if (end.kind === "done")
      return {
        kind: "error",
        message: `the flake's outputs ${look.refused ?? "are not known"}`,
        position: null,
      };
    const message = explain(end);
    const position =
      end.kind === "error"
        ? bestPosition([...end.positions, ...spelledPositions(end.message), look.place], roots)
        : null;
    if (outputs === null || current === null || broken.has(current))
      return { kind: "error", message: shorten(message, 16_384), position };
    report(current, message, position);
  }
}

function explain(end: Exclude<WalkEnd, { kind: "cancelled" | "infrastructure" | "done" }>): string {
  switch (end.kind) {
    case "error":
      return withHint(end.message);
    case "timed-out":
      return "evaluating the flake's outputs took too long: the time limit passed";
    case "out-of-memory":
      return "evaluating the flake's outputs needs more memory than the limit";
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}

/** What one process said. */
class Look {
  outputs: readonly string[] | null = null;
  readonly systems = new Map<string, readonly string[]>();
  /** The output at hand. */
  current: string | null = null;
  refused: string | null = null;
  /** All that is needed was said; the rest is the linter's. */
  outlined = false;
  /** What the linter looks at, and where it is. */
  path: readonly string[] | null = null;
  place: Place = null;
  readonly #findings: Findings | null;
  #timer: NodeJS.Timeout | undefined;

  constructor(findings: Findings | null) {
    this.#findings = findings;
  }

  hear(said: Said, stop: () => void): void {
    switch (said.kind) {
      case "outputs":
        this.outputs = said.names.map(([name]) => name);
        this.#findings?.outputs(said.names);
        break;
      case "start":
        this.current = said.path[0] ?? null;
        this.place = said.position;
        break;
      case "systems":
        this.systems.set(
          said.output,
          said.systems.map(([name]) => name),
        );
        this.#findings?.systems(said.output, said.systems);
        break;
      case "refused":
        if (said.path.length === 0) this.refused = said.reason;
        break;
      case "outlined":
        this.outlined = true;
        break;
      case "settings":
        this.#findings?.settings(said.names, said.position);
        break;
      case "look":
        this.path = said.path;
        this.place = said.position;
        break;
      case "finding":
        this.#findings?.add(said.path, said.position ?? this.place, said.reason);
        break;
      case "at":
      case "derivation":
      case "program":
      case "missing":
      case "clan":
        break;
    }
    if (!this.outlined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(stop, LINT.silenceMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
