import type { Observation } from "../../../src/protocol/machine.ts";
import type {
  DeployState,
  DeployStateName,
  Machine,
  MachineFault,
  Reply,
} from "../../../src/runner/machine/index.ts";
import type { Ticking } from "./ticking.ts";

/** What goes wrong, and how the systems behave. Times in seconds from the first question. */
export interface Script {
  /** Verbs by their number among all that are asked: the link is cut before or after they are done. */
  readonly cuts: ReadonlyMap<number, "before" | "after">;
  /** No connection from then on, for so long. */
  readonly down: { readonly from: number; readonly seconds: number };
  /** The new system takes the network away while it runs. */
  readonly deaf: boolean;
  readonly activation: { readonly seconds: number; readonly exit: number };
  /** Units that the new system lets fail, and those that have failed before. */
  readonly fails: readonly string[];
  readonly failed: readonly string[];
  readonly healthy: boolean;
  readonly bootable: boolean;
  /** The power is cut so many seconds after the activation began; null: never. */
  readonly powerCut: number | null;
  readonly refuses: "begin" | "space" | "copy" | "verify" | "dry-activate" | null;
}

export const OLD = "/nix/store/00000000000000000000000000000000-old";
export const NEW = "/nix/store/11111111111111111111111111111111-new";

/** A machine that keeps its promises (`Machine`), in virtual time, over a link that does not. */
export class ModelMachine implements Machine {
  readonly hostKey = `SHA256:${"A".repeat(43)}`;
  open(): void {}
  readonly #script: Script;
  readonly #clock: Ticking;
  #verbs = 0;
  counter = 4;
  running = OLD;
  profile = OLD;
  /** Everything that ever ran, in order. */
  readonly ran: string[] = [OLD];
  #deploy: {
    name: DeployStateName;
    ended: boolean;
    why: string | null;
    exit: number | null;
    /** Null: a source, of which nothing is known yet. */
    wanted: string | null;
    guarded: boolean;
  } | null = null;
  #began = 0;
  #limits = { activation: 0, confirmation: 0 };
  #activatedAt = 0;
  #rebooted = false;

  constructor(script: Script, clock: Ticking) {
    this.#script = script;
    this.#clock = clock;
  }

  get #seconds(): number {
    return this.#clock.now() / 1_000;
  }

  #is(name: DeployStateName): void {
    if (this.#deploy !== null) this.#deploy.name = name;
  }

  #run(system: string): void {
    this.running = system;
    this.ran.push(system);
  }

  /** What the machine does by itself until now: activation, limits, power. */
  settle(): void {
    const { activation, powerCut, failed } = this.#script;
    const deploy = this.#deploy;
    if (deploy === null) return;
    const since = this.#seconds - this.#began;
    const limit = Math.min(activation.seconds, this.#limits.activation);
    const dies = powerCut !== null && since >= powerCut && !this.#rebooted;
    if (deploy.name === "activating" && deploy.guarded) {
      const over = since >= this.#limits.activation && !this.#rebooted;
      if (over && !(dies && powerCut < this.#limits.activation)) this.#revert("activation-limit");
    } else if (deploy.name === "activating" && since >= limit && !(dies && powerCut < limit)) {
      if (activation.seconds > this.#limits.activation) {
        this.#revert("activation-limit");
      } else {
        deploy.name = "activated";
        deploy.exit = activation.exit === 0 && failed.length > 0 ? 4 : activation.exit;
        this.#activatedAt = this.#began + limit;
        if (activation.exit === 0 || activation.exit === 4) this.#run(NEW);
      }
    }
    const late = this.#activatedAt + this.#limits.confirmation;
    const waiting = deploy.name === "activated" || deploy.name === "confirmed";
    const cutFirst = dies && this.#began + (powerCut ?? 0) < late;
    if (waiting && this.#seconds >= late && !cutFirst) this.#revert("confirmation-limit");
    if (dies && deploy.name !== "begun") {
      this.#rebooted = true;
      this.#run(this.profile);
    }
  }

  #revert(why: string): void {
    if (this.#deploy === null) return;
    this.#deploy.name = "reverted";
    this.#deploy.why = why;
    this.profile = OLD;
    if (this.running !== OLD) this.#run(OLD);
  }

  /** What a tool does here while the machine is guarded. */
  toolRuns(system: string, what: "runs" | "boots" | "both" = "runs"): void {
    if (what !== "boots") this.#run(system);
    if (what !== "runs") this.profile = system;
  }

  #state(): DeployState {
    const deploy = this.#deploy;
    if (deploy === null) throw new Error("nothing was begun");
    const isNew = this.running !== OLD;
    return {
      counter: this.counter,
      name: deploy.name,
      ended: deploy.ended,
      alive: !this.#rebooted && deploy.name === "activating",
      guarded: deploy.guarded,
      since: this.#began,
      old: OLD,
      new: deploy.wanted,
      activation: deploy.exit,
      log: "",
      why: deploy.why,
      generation: deploy.name === "committed" ? 2 : null,
      running: this.running,
      boots: this.profile,
      rebooted: this.#rebooted,
      newlyFailed: isNew ? this.#script.fails : [],
      stillFailed: this.#script.failed,
    };
  }

  /** One connection and its verb. */
  async #verb<T>(work: () => Reply<T>): Promise<Reply<T>> {
    this.#clock.pass(0.1);
    this.settle();
    const number = this.#verbs++;
    const { from, seconds } = this.#script.down;
    const isDown = this.#seconds >= from && this.#seconds < from + seconds;
    if (isDown || (this.#script.deaf && this.running === NEW)) {
      this.#clock.pass(1);
      return { kind: "unreachable", why: "no route" };
    }
    const cut = this.#script.cuts.get(number);
    if (cut === "before") return { kind: "lost", why: "cut before it was done" };
    const reply = work();
    return cut === "after" ? { kind: "lost", why: "cut after it was done" } : reply;
  }

  #guard<T>(counter: number, states: readonly DeployStateName[], work: () => T): Reply<T> {
    const deploy = this.#deploy;
    if (deploy === null || counter !== this.counter) return refused("stale-counter");
    if (deploy.ended || !states.includes(deploy.name)) return refused("state");
    return { kind: "done", value: work() };
  }

  observe(): Promise<Reply<Observation>> {
    return this.#verb(() => ({ kind: "done", value: this.#observation() }));
  }

  #observation(): Observation {
    const generation = (number: number, system: string) => ({ number, system, at: 0 });
    return {
      at: this.#clock.now(),
      system: this.running,
      booted: OLD,
      profile: generation(this.profile === OLD ? 1 : 2, this.profile),
      generations: [generation(1, OLD)],
      failedUnits: [...this.#script.failed],
      nix: { freeBytes: 1e9, freeInodes: 1e6 },
      boot: null,
      counter: this.counter,
      unfinished: null,
      updaters: [],
      bootId: this.#rebooted ? "second" : "first",
    };
  }

  begin({
    counter,
    expected,
    system,
  }: {
    counter: number;
    expected: string | null;
    system: string | null;
  }) {
    return this.#verb(() => {
      if (counter <= this.counter) return refused("stale-counter");
      if (expected !== null && expected !== this.running) return refused("moved");
      if (this.#script.refuses === "begin") return refused("busy");
      this.counter = counter;
      this.#deploy = {
        name: "begun",
        ended: false,
        why: null,
        exit: null,
        // What a closure brings is always the same here.
        wanted: system === null ? null : NEW,
        guarded: false,
      };
      return { kind: "done", value: { running: OLD, failedUnits: [], bootId: "first" } };
    });
  }

  space({ counter }: { counter: number }) {
    return this.#verb(() =>
      this.#script.refuses === "space"
        ? refused("no-space")
        : this.#guard(counter, ["begun"], () => ({ nixBytes: 1, nixInodes: 1, bootBytes: null })),
    );
  }
  missing({ paths }: { paths: readonly string[] }) {
    return this.#verb(() => ({ kind: "done", value: paths }) as const);
  }
  copy({ counter }: { counter: number }) {
    return this.#verb(() =>
      this.#script.refuses === "copy"
        ? ({ kind: "failed", why: "no", log: "" } as const)
        : this.#guard(counter, ["begun", "copied"], () => {
            this.#is("copied");
            return { paths: 1, bytes: 1 };
          }),
    );
  }
  verify({ counter }: { counter: number }) {
    return this.#verb(() =>
      this.#script.refuses === "verify"
        ? refused("forged")
        : this.#guard(counter, ["copied", "verified"], () => {
            this.#is("verified");
            return { paths: 1, hashed: 1 };
          }),
    );
  }
  reuse({ counter }: { counter: number }) {
    return this.#verb(() =>
      this.#guard(counter, ["begun", "verified"], () => {
        this.#is("verified");
        return { paths: 0, hashed: 0 };
      }),
    );
  }
  command() {
    return this.#verb(() => ({ kind: "done", value: { exitCode: 0, log: "" } }) as const);
  }
  dryActivate({ counter }: { counter: number }) {
    const { refuses, activation } = this.#script;
    // A system that only a reboot brings says so to whatever it is asked.
    const exitCode = refuses === "dry-activate" ? 1 : activation.exit === 100 ? 100 : 0;
    return this.#verb(() => this.#guard(counter, ["verified"], () => ({ exitCode, log: "" })));
  }
  activate(request: { counter: number; activationSeconds: number; confirmationSeconds: number }) {
    return this.#verb(() =>
      this.#guard(request.counter, ["verified"], () => {
        this.#limits = {
          activation: request.activationSeconds,
          confirmation: request.confirmationSeconds,
        };
        this.#began = this.#seconds;
        this.#is("activating");
        return this.#state();
      }),
    );
  }
  guard(request: { counter: number; activationSeconds: number; confirmationSeconds: number }) {
    const wanted = this.#deploy?.wanted ?? null;
    return this.#verb(() =>
      this.#guard(request.counter, [wanted === null ? "begun" : "verified"], () => {
        this.#limits = {
          activation: request.activationSeconds,
          confirmation: request.confirmationSeconds,
        };
        this.#began = this.#seconds;
        if (this.#deploy !== null) this.#deploy.guarded = true;
        this.#is("activating");
        return this.#state();
      }),
    );
  }
  activated({ counter, exitCode }: { counter: number; exitCode: number }) {
    return this.#verb(() =>
      this.#rebooted
        ? refused("state")
        : this.#guard(counter, ["activating", "activated"], () => {
            if (this.#deploy === null) throw new Error("nothing was begun");
            this.#deploy.wanted ??= exitCode === 100 ? this.profile : this.running;
            this.#deploy.exit = exitCode;
            this.#activatedAt = this.#seconds;
            this.#is("activated");
            return this.#state();
          }),
    );
  }
  unguard({ counter }: { counter: number }) {
    return this.#verb(() =>
      this.running !== OLD || this.profile !== OLD || this.#rebooted
        ? refused("moved")
        : this.#guard(counter, ["activating"], () => {
            if (this.#deploy !== null) this.#deploy.guarded = false;
            this.#is(this.#deploy?.wanted === null ? "begun" : "verified");
            return this.#state();
          }),
    );
  }
  async wait({ until, seconds }: { until: readonly DeployStateName[]; seconds: number }) {
    const end = this.#seconds + seconds;
    for (;;) {
      const seen = await this.#verb(() => ({ kind: "done", value: this.#state() }) as const);
      if (seen.kind === "done") {
        const state = seen.value;
        if (until.includes(state.name))
          return { kind: "done", value: { state, until: true } } as const;
        if (state.rebooted || this.#seconds > end)
          return { kind: "done", value: { state, until: false } } as const;
      } else if (this.#seconds > end) return seen;
      this.#clock.pass(1);
    }
  }
  confirm({ counter }: { counter: number }) {
    return this.#verb(() =>
      this.#rebooted
        ? refused("state")
        : this.#guard(counter, ["activated", "confirmed"], () => {
            this.#is("confirmed");
            return this.#state();
          }),
    );
  }
  digest({ paths }: { paths: readonly string[] }) {
    return this.#verb(
      () => ({ kind: "done", value: paths.map(() => ({ kind: "missing" }) as const) }) as const,
    );
  }
  check() {
    return this.#verb(
      () => ({ kind: "done", value: { healthy: this.#script.healthy, why: "sick" } }) as const,
    );
  }
  commit({ counter }: { counter: number }) {
    return this.#verb(() =>
      this.#rebooted
        ? refused("state")
        : this.#guard(counter, ["confirmed"], () => {
            this.#is(this.#script.bootable ? "committed" : "commit-failed");
            if (this.#script.bootable) this.profile = this.#deploy?.wanted ?? NEW;
            return this.#state();
          }),
    );
  }
  revert({ counter, why }: { counter: number; why: string }) {
    const from: DeployStateName[] = [
      "activating",
      "activated",
      "confirmed",
      "committed",
      "reverted",
    ];
    return this.#verb(() =>
      this.#guard(counter, from, () => {
        this.#revert(why);
        return this.#state();
      }),
    );
  }
  state() {
    return this.#verb(
      () => ({ kind: "done", value: this.#deploy === null ? null : this.#state() }) as const,
    );
  }
  end({ counter }: { counter: number }) {
    return this.#verb(() => {
      const deploy = this.#deploy;
      if (deploy === null || counter !== this.counter) return refused("stale-counter");
      if (deploy.name === "activating") return refused("busy");
      deploy.ended = true;
      return { kind: "done", value: this.#state() } as const;
    });
  }
  async close(): Promise<void> {}
}

function refused(code: Extract<MachineFault, { kind: "refused" }>["code"]): MachineFault {
  return { kind: "refused", code, why: code };
}
