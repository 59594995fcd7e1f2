import { clean } from "../log/clean.ts";
import type { LogEvent } from "../log/event.ts";
import { ACTIVITY, RESULT } from "../log/event.ts";
import type { Finding } from "./classify.ts";
import { blamesMachinery, classify, DISK_FULL } from "./classify.ts";
import { Tail } from "./tail.ts";

/** One derivation's build as the log tells it. Times are those of the given clock (ms). */
export interface Building {
  readonly drv: string;
  readonly startedAt: number;
  /** When it last printed something, or started. */
  lastAt: number;
  endedAt: number | null;
  printed: boolean;
  readonly tail: Tail;
}

export interface WatchOptions {
  readonly now: () => number;
  readonly onLine: (drv: string, line: string) => void;
  /** What concerns no single derivation, for the job's own log. */
  readonly onNotice: (text: string) => void;
}

/**
 * Follows the structured log of one `nix-store --realise`. Builders can print messages that look like Nix's own (their
 * lines reach the same stream through a daemon), so nothing here decides about success: output validity does.
 */
export class Watch {
  readonly builds = new Map<string, Building>();
  readonly findings = new Map<string, Finding>();
  /** The last message that blames the store, the daemon or the network. */
  machinery: string | null = null;
  readonly errors = new Tail();
  readonly #activities = new Map<string, string>();
  #buildsActivity: string | null = null;
  #ended = 0;
  #active = 0;
  #failed = 0;
  readonly #options: WatchOptions;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  see(event: LogEvent): void {
    switch (event.kind) {
      case "start":
        if (event.activity === ACTIVITY.builds) this.#buildsActivity = event.id;
        else if (event.activity === ACTIVITY.build && typeof event.fields[0] === "string")
          this.#started(event.id, event.fields[0]);
        break;
      case "stop":
        this.#stopped(event.id);
        break;
      case "result":
        if (event.id === this.#buildsActivity && event.result === RESULT.progress)
          this.#progress(event.fields);
        else if (event.result === RESULT.buildLogLine && typeof event.fields[0] === "string")
          this.#line(event.id, event.fields[0]);
        break;
      case "message":
        this.#message(event.message, event.level);
        break;
      case "text":
        if (event.line.trim() !== "") this.#options.onNotice(clean(event.line));
        break;
    }
  }

  /**
   * The build that is overdue by `isOverdue`, or null. Nix closes a build's activity only when the whole process is done,
   * and its counters do not say which build has ended. So with several side by side it can be unclear which of them
   * still run: then all of them have to be overdue, and the last to start is named, which is one that runs.
   */
  overdue(isOverdue: (build: Building) => boolean): Building | null {
    const candidates = this.#running();
    if (candidates.length > this.#active)
      return this.#active > 0 && candidates.every(isOverdue) ? (candidates.at(-1) ?? null) : null;
    return candidates.find(isOverdue) ?? null;
  }

  /**
   * Builds that may be running. `certain`: all of them are. Otherwise some of them may have ended, and failed, without
   * Nix having told which.
   */
  running(): { readonly drvs: ReadonlySet<string>; readonly certain: boolean } {
    const running = this.#running();
    const told = [...this.findings.values()].filter(({ drv }) => this.builds.has(drv)).length;
    return {
      drvs: new Set(running.map(({ drv }) => drv)),
      certain: running.length <= this.#active || this.#failed <= told,
    };
  }

  #running(): Building[] {
    return [...this.builds.values()].filter((build) => build.endedAt === null);
  }

  /** `[done, expected, running, failed]` of all builds of the process. */
  #progress(fields: readonly (string | number)[]): void {
    const [done = 0, , active = 0, failed = 0] = fields.map(Number);
    const ended = done + failed;
    if (active === 0 || (ended > this.#ended && this.#running().length <= ended - this.#ended)) {
      for (const build of this.#running()) build.endedAt = this.#options.now();
    }
    this.#ended = ended;
    this.#active = active;
    this.#failed = failed;
  }

  #started(id: string, drv: string): void {
    const at = this.#options.now();
    this.#activities.set(id, drv);
    const known = this.builds.get(drv);
    if (known !== undefined && known.endedAt === null) return;
    this.builds.set(drv, {
      drv,
      startedAt: at,
      lastAt: at,
      endedAt: null,
      printed: false,
      tail: new Tail(),
    });
  }

  #stopped(id: string): void {
    const drv = this.#activities.get(id);
    this.#activities.delete(id);
    const build = drv === undefined ? undefined : this.builds.get(drv);
    if (build !== undefined) build.endedAt ??= this.#options.now();
  }

  #line(id: string, line: string): void {
    const drv = this.#activities.get(id);
    const build = drv === undefined ? undefined : this.builds.get(drv);
    if (build === undefined) {
      this.#options.onNotice(clean(line));
      return;
    }
    build.lastAt = this.#options.now();
    build.printed = true;
    build.tail.push(clean(line));
    this.#options.onLine(build.drv, line);
  }

  #message(message: string, level: number): void {
    const finding = classify(message);
    if (finding !== null) {
      const build = this.builds.get(finding.drv);
      if (build !== undefined) build.endedAt ??= this.#options.now();
      if (!this.findings.has(finding.drv)) this.findings.set(finding.drv, this.#refine(finding));
    } else if (level === 0) {
      this.errors.push(message);
      if (blamesMachinery(message)) this.machinery = message;
    }
  }

  /** A full disk shows in what the builder printed; Nix only tells the exit code. */
  #refine(finding: Finding): Finding {
    const printed = this.builds.get(finding.drv)?.tail.toString() ?? "";
    return finding.cause.kind === "failed" && DISK_FULL.test(printed)
      ? { drv: finding.drv, cause: { kind: "out-of-disk" } }
      : finding;
  }
}
