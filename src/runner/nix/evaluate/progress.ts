import type { Attribute } from "../../../protocol/attribute.ts";
import { Derivation } from "../../../protocol/attribute.ts";
import { shorten } from "../log/clean.ts";
import type { LogPosition } from "../log/event.ts";
import type { Unit } from "./expression.ts";
import type { Findings } from "./findings.ts";
import { systemOf } from "./outputs.ts";
import type { Roots } from "./position.ts";
import { bestPosition } from "./position.ts";
import type { ClanMachine, Said, SaidDerivation } from "./said.ts";
import type { Evaluator } from "./walk.ts";

/** An app's program, whose derivation is known by path only until the store is asked. */
export interface Program {
  readonly path: readonly string[];
  readonly program: string;
  readonly derivations: readonly string[];
  readonly seconds: number | null;
}

export interface GroupContext {
  readonly evaluator: Evaluator;
  readonly selection: number;
  readonly roots: Roots;
  readonly calls: boolean;
  readonly args: Readonly<Record<string, string>>;
  /** Milliseconds left for everything, by the runner's own clock. */
  readonly remainingMs: () => number;
  /** The same for one process, where that is another. */
  readonly processMs?: () => number;
  readonly now: () => number;
  readonly onAttribute: (attribute: Attribute) => void;
  readonly onProgram: (program: Program) => void;
  readonly onMissing: (path: readonly string[]) => void;
  /** May be told twice of one. */
  readonly onClan: (path: readonly string[], machine: ClanMachine) => void;
  readonly findings: Findings;
  /** Attributes (paths as JSON text) that have been reported; nothing is reported twice. */
  readonly done: Set<string>;
  /** Takes what would be reported, with the derivations that it needs in the store; `null` where it must be evaluated again. */
  readonly hold?: (
    path: readonly string[],
    needs: readonly string[] | null,
    report: () => void,
  ) => void;
}

/** Sets nested deeper than this are not followed: they may be without end. */
export const DEPTH = 8;
/** Components that the protocol carries, and characters of one. */
const PATH_LENGTH = 32;
const COMPONENT_LENGTH = 1_024;

/** What the walk has said so far about one group. */
export class Progress {
  /** The unit that the current process is in (as JSON text). */
  unit: string | null = null;
  /** How many members of the unit have been started or passed over, in all processes. */
  members = 0;
  /** The member at hand. */
  member: readonly string[] | null = null;
  current: { path: readonly string[]; position: LogPosition | null; since: number } | null = null;
  /** Attributes that were settled by the current process. */
  settledHere = 0;
  readonly done: Set<string>;
  readonly failed = new Set<string>();
  readonly #context: GroupContext;
  #from: ReadonlyMap<string, number> = new Map();
  #unitPath: readonly string[] = [];

  constructor(context: GroupContext) {
    this.#context = context;
    this.done = context.done;
  }

  begin(units: readonly Unit[]): void {
    this.#from = new Map(units.map((unit) => [JSON.stringify(unit.path), unit.from]));
    this.unit = null;
    this.member = null;
    this.members = 0;
    this.current = null;
    this.settledHere = 0;
  }

  hear(said: Said): void {
    switch (said.kind) {
      case "start":
        this.#start(said.path, said.position);
        break;
      case "at":
        if (this.current !== null) this.current.position = said.position ?? this.current.position;
        break;
      case "derivation":
        this.settle(said.path, said.derivation);
        break;
      case "program":
        this.#settled(said.path, said.derivations.filter(isDrv), (seconds) =>
          this.#context.onProgram({
            path: said.path,
            program: said.program,
            derivations: said.derivations,
            seconds,
          }),
        );
        break;
      case "refused":
        this.fail(
          said.path,
          said.reason,
          bestPosition([this.current?.position ?? null], this.#context.roots),
        );
        break;
      case "missing":
        this.missing(said.path);
        break;
      case "clan":
        this.#context.onClan(said.path, said.machine);
        break;
      case "finding":
        this.#context.findings.add(
          said.path,
          said.position ?? this.current?.position ?? null,
          said.reason,
        );
        break;
      case "outputs":
      case "systems":
      case "outlined":
      case "settings":
      case "look":
        break;
    }
  }

  fail(path: readonly string[], message: string, position: ReturnType<typeof bestPosition>): void {
    this.failed.add(JSON.stringify(path));
    this.#settled(path, [], (seconds) =>
      this.#emit(path, { kind: "error", message: shorten(message, 16_384), position }, seconds),
    );
  }

  finished(path: readonly string[]): boolean {
    return this.done.has(JSON.stringify(path));
  }

  #start(path: readonly string[], position: LogPosition | null): void {
    this.current = { path, position, since: this.#context.now() };
    const inUnit =
      this.unit !== null &&
      path.length > this.#unitPath.length &&
      this.#unitPath.every((part, index) => path[index] === part);
    if (!inUnit) {
      this.unit = JSON.stringify(path);
      this.#unitPath = path;
      this.member = null;
      this.members = this.#from.get(this.unit) ?? 0;
    } else if (path.length === this.#unitPath.length + 1) {
      this.member = path;
      this.members += 1;
    }
  }

  missing(path: readonly string[]): void {
    this.#settled(path, [], () => this.#context.onMissing(path));
  }

  /** An attribute that is a derivation, if it is one that the protocol can carry. */
  settle(path: readonly string[], said: SaidDerivation | null): void {
    const derivation =
      said === null ? null : Derivation.safeParse({ ...said, features: said.features.toSorted() });
    if (derivation?.success)
      this.#settled(path, [derivation.data.path], (seconds) =>
        this.#emit(path, { kind: "derivation", derivation: derivation.data }, seconds),
      );
    else
      this.fail(
        path,
        "is a derivation whose name, system, outputs or features cannot be used",
        bestPosition([this.current?.position ?? null], this.#context.roots),
      );
  }

  /** A process ended at it, and that process need not be believed. */
  doubt(path: readonly string[]): void {
    this.failed.add(JSON.stringify(path));
    this.#settled(path, null, () => {});
  }

  #settled(
    path: readonly string[],
    needs: readonly string[] | null,
    report: (seconds: number | null) => void,
  ): void {
    const text = JSON.stringify(path);
    if (this.done.has(text)) return;
    this.done.add(text);
    this.settledHere += 1;
    const seconds =
      this.current !== null && JSON.stringify(this.current.path) === text
        ? (this.#context.now() - this.current.since) / 1_000
        : null;
    if (this.#context.hold === undefined) report(seconds);
    else this.#context.hold(path, needs, () => report(seconds));
  }

  #emit(path: readonly string[], result: Attribute["result"], seconds: number | null): void {
    const short = path.slice(0, PATH_LENGTH).map((part) => shorten(part, COMPONENT_LENGTH));
    this.#context.onAttribute({
      selection: this.#context.selection,
      path: short,
      system: systemOf(path),
      result,
      seconds,
    });
  }
}

function isDrv(path: string): boolean {
  return path.endsWith(".drv");
}
