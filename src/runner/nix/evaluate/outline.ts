import type { Position } from "../../../protocol/verdict.ts";
import { shorten } from "../log/clean.ts";
import type { EvaluationOptions, Unprepared } from "./options.ts";
import { bestPosition, spelledPositions } from "./position.ts";
import type { Outline } from "./units.ts";
import type { Evaluator } from "./walk.ts";
import { walk } from "./walk.ts";

/** Output names and their systems; an output that fails here becomes an attribute with its error. */
export async function readOutline(
  evaluator: Evaluator,
  kinds: readonly string[],
  roots: readonly string[],
  timeoutMs: number,
  options: Pick<EvaluationOptions, "index" | "onAttribute">,
): Promise<{ kind: "outline"; outline: Outline; broken: ReadonlySet<string> } | Unprepared> {
  const broken = new Set<string>();
  for (;;) {
    let outputs: readonly string[] | null = null;
    const systems = new Map<string, readonly string[]>();
    let current: string | null = null;
    let refused: string | null = null;
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
    const end = await walk(
      evaluator,
      {
        mode: "outline",
        kinds: kinds.filter((kind) => !broken.has(kind)),
        units: [],
        skip: {},
        calls: false,
        args: {},
        depth: 0,
      },
      timeoutMs,
      (said) => {
        if (said.kind === "outputs") outputs = said.names;
        else if (said.kind === "start") current = said.path[0] ?? null;
        else if (said.kind === "systems") systems.set(said.output, said.systems);
        else if (said.kind === "refused" && said.path.length === 0) refused = said.reason;
        else if (said.kind === "refused") report(said.path[0]!, said.reason, null);
      },
    );
    if (end.kind === "cancelled" || end.kind === "infrastructure") return end;
    if (end.kind === "done") {
      if (outputs === null)
        return {
          kind: "error",
          message: `the flake's outputs ${refused ?? "are not known"}`,
          position: null,
        };
      return { kind: "outline", outline: { outputs, systems }, broken };
    }
    const message =
      end.kind === "error"
        ? end.message
        : end.kind === "timed-out"
          ? "evaluating the flake's outputs took too long: the time limit passed"
          : "evaluating the flake's outputs needs more memory than the limit";
    const position =
      end.kind === "error"
        ? bestPosition([...end.positions, ...spelledPositions(end.message)], roots)
        : null;
    if (outputs === null || current === null || broken.has(current))
      return { kind: "error", message: shorten(message, 16_384), position };
    report(current, message, position);
  }
}
