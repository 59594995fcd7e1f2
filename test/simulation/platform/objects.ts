import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";
import { Storage } from "./storage.ts";

/** A Durable Object as far as it is called from outside. */
export type Shell = Record<string, (...args: never[]) => unknown>;
export type ObjectClass = new (ctx: object, env: object) => Shell;

/** One life of an object: from its construction to the moment when it is aborted. */
export type Life = { actor: Actor; alive: boolean; shell: Shell; ends: Set<(why: Error) => void> };

/** Whose code runs: what it sends waits for its commits, and stops when it does. */
export const running = new AsyncLocalStorage<Life>();

/** Tries of an alarm whose handler failed; then it is gone, as on the platform. */
const ALARM_TRIES = 6;
/** Commits and calls take so long at most (ms). */
const COMMIT = 2;
const HOP = 3;

export type Weather = {
  /** How often an object is aborted where that hurts: before and after a commit, at a call, at an answer. */
  abort: number;
};

export class Platform {
  readonly clock: Clock;
  readonly random: Random;
  readonly #actors = new Map<string, Actor>();
  readonly #classes: Readonly<Record<string, ObjectClass>>;
  readonly #environment: (platform: Platform) => object;
  weather: Weather;
  aborted = 0;
  alarmsLost = 0;

  constructor(
    clock: Clock,
    random: Random,
    classes: Readonly<Record<string, ObjectClass>>,
    weather: Weather,
    environment: (platform: Platform) => object,
  ) {
    this.clock = clock;
    this.random = random;
    this.#classes = classes;
    this.weather = weather;
    this.#environment = environment;
  }

  /** All objects of a class that were ever spoken to. */
  all(binding: string): Actor[] {
    return [...this.#actors.values()].filter((actor) => actor.binding === binding);
  }

  get(binding: string, name: string): Actor {
    const key = `${binding} ${name}`;
    let actor = this.#actors.get(key);
    if (actor === undefined) {
      const found = this.#classes[binding];
      if (found === undefined) throw new Error(`no class is bound to ${binding}`);
      actor = new Actor(this, binding, name, found);
      this.#actors.set(key, actor);
    }
    return actor;
  }

  /** An object loses everything, as if it had never been; whoever asks for it next finds an empty one. */
  lose(actor: Actor): void {
    actor.end();
    this.#actors.delete(`${actor.binding} ${actor.name}`);
  }

  /** What objects and the Worker get as `env`. */
  environment(): object {
    return this.#environment(this);
  }

  namespace(binding: string): object {
    const stub = (name: string): object =>
      new Proxy(
        {},
        {
          get: (_target, method) => {
            if (method === "name") return name;
            if (method === "id") return identity(`${binding} ${name}`, name);
            if (typeof method !== "string" || method === "then") return undefined;
            return (...args: unknown[]) => this.get(binding, name).call(method, args);
          },
        },
      );
    return {
      getByName: stub,
      idFromName: (name: string) => identity(`${binding} ${name}`, name),
      get: (id: { name: string }) => stub(id.name),
    };
  }

  /** Whether it happens here that an object is aborted. */
  strikes(): boolean {
    return this.weather.abort > 0 && this.random.chance(this.weather.abort);
  }

  /** Time on the way to another object, or of an answer. */
  hop(): number {
    return 1 + this.random.below(HOP);
  }

  close(): void {
    for (const actor of this.#actors.values()) actor.storage.close();
  }
}

function identity(text: string, name: string) {
  return {
    name,
    toString: () => text,
    equals: (other: { toString(): string }) => other.toString() === text,
  };
}

/** One object: its storage, which stays, and its lives, which come and go. */
export class Actor {
  readonly binding: string;
  readonly name: string;
  readonly storage: Storage;
  readonly #platform: Platform;
  readonly #class: ObjectClass;
  #life: Life | null = null;
  #disarm: (() => void) | null = null;
  #alarmRuns = false;
  #alarmTries = 0;
  #committing = false;
  #waiting: (() => void)[] = [];

  constructor(platform: Platform, binding: string, name: string, found: ObjectClass) {
    this.#platform = platform;
    this.binding = binding;
    this.name = name;
    this.#class = found;
    this.storage = new Storage({
      written: () => this.#commitSoon(),
      armed: (at) => this.#arm(at),
    });
  }

  /** Calls a method from wherever the call comes from. The answer never comes to whoever died meanwhile. */
  call(method: string, args: unknown[]): Promise<unknown> {
    const caller = running.getStore() ?? null;
    const sent = structuredClone(args);
    return new Promise((resolve, reject) => {
      const { clock } = this.#platform;
      const answer = (give: () => void) =>
        clock.after(this.#platform.hop(), () => {
          if (caller?.alive === false) return;
          if (caller !== null && this.#platform.strikes())
            return caller.actor.abort("at an answer");
          give();
        });
      whenCommitted(caller, () =>
        clock.after(this.#platform.hop(), () => {
          if (this.#platform.strikes()) this.abort("at a call");
          this.perform(method, sent).then(
            (value) => answer(() => resolve(structuredClone(value))),
            (error: unknown) => answer(() => reject(asError(error))),
          );
        }),
      );
    });
  }

  /** Runs a method in the object; settles once what it wrote is committed, or the object is aborted. */
  perform(method: string, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let life: Life;
      try {
        life = this.#wake();
      } catch (error) {
        reject(asError(error));
        return;
      }
      life.ends.add(reject);
      const settle = (give: () => void) =>
        whenCommitted(life, () => {
          life.ends.delete(reject);
          give();
        });
      running
        .run(life, async () => {
          const work = life.shell[method];
          if (work === undefined) throw new TypeError(`${this.binding} has no ${method}`);
          return await work.apply(life.shell, args as never[]);
        })
        .then(
          (value) => settle(() => resolve(value)),
          (error: unknown) => settle(() => reject(asError(error))),
        );
    });
  }

  /** Ends its life at once: what is not committed is lost, what it waits for never comes. */
  abort(where: string): void {
    const life = this.#life;
    if (life === null) return;
    this.#platform.aborted += 1;
    this.#life = null;
    life.alive = false;
    this.storage.rollback();
    this.#waiting = [];
    const alarmRan = this.#alarmRuns;
    for (const end of life.ends) end(new Error(`the object was aborted ${where}`));
    if (alarmRan) this.#alarmFailed();
  }

  /** For good: nothing rings here any more. */
  end(): void {
    this.abort("for good");
    this.#disarm?.();
    this.#disarm = null;
  }

  #wake(): Life {
    if (this.#life !== null) return this.#life;
    const life: Life = { actor: this, alive: true, shell: {}, ends: new Set() };
    const ctx = {
      id: identity(`${this.binding} ${this.name}`, this.name),
      storage: this.storage,
      getWebSockets: () => [],
    };
    life.shell = running.run(life, () => new this.#class(ctx, this.#platform.environment()));
    this.#life = life;
    return life;
  }

  #commitSoon(): void {
    if (this.#committing) return;
    this.#committing = true;
    this.#platform.clock.after(this.#platform.random.unit() * COMMIT, () => {
      this.#committing = false;
      if (!this.storage.dirty) return this.#release();
      if (this.#platform.strikes()) return this.abort("before a commit");
      this.storage.commit();
      if (this.#platform.strikes()) return this.abort("after a commit");
      this.#release();
    });
  }

  /** Calls back when everything written so far is committed. */
  committed(then: () => void): void {
    if (this.storage.dirty) {
      this.#commitSoon();
      this.#waiting.push(then);
    } else then();
  }

  #release(): void {
    for (const then of this.#waiting.splice(0)) then();
  }

  #arm(at: number | null): void {
    this.#disarm?.();
    this.#disarm = null;
    if (at === null || this.#alarmRuns) return;
    const { clock } = this.#platform;
    this.#disarm = clock.after(at - clock.now, () => this.#ring());
  }

  #ring(): void {
    this.#disarm = null;
    this.#alarmRuns = true;
    this.storage.rang();
    const life = this.#life;
    void this.perform("alarm", []).then(
      () => this.#alarmOver(),
      () => {
        // An abort has said so already.
        if (this.#alarmRuns && (life === null || life.alive)) this.#alarmFailed();
      },
    );
  }

  #alarmOver(): void {
    this.#alarmRuns = false;
    this.#alarmTries = 0;
    void this.storage.getAlarm().then((at) => this.#arm(at));
  }

  #alarmFailed(): void {
    this.#alarmRuns = false;
    this.#alarmTries += 1;
    if (this.#alarmTries > ALARM_TRIES) {
      this.#alarmTries = 0;
      this.#platform.alarmsLost += 1;
      return;
    }
    const { now } = this.#platform.clock;
    void this.storage.getAlarm().then(async (at) => {
      const again = now + 1_000 * 2 ** this.#alarmTries;
      if (at === null || at > again) await this.storage.setAlarm(again);
      else this.#arm(at);
    });
  }
}

/** Nothing leaves an object before what it has written is committed. */
export function whenCommitted(life: Life | null, then: () => void): void {
  if (life === null) return then();
  if (life.alive) life.actor.committed(then);
}

/** Something outside takes its time: nothing goes there before the commit, nothing comes back to the dead. */
export function elsewhere(clock: Clock, milliseconds: number): Promise<void> {
  const life = running.getStore() ?? null;
  return new Promise((resolve) => {
    whenCommitted(life, () =>
      clock.after(milliseconds, () => {
        if (life?.alive !== false) resolve();
      }),
    );
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
