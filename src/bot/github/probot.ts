import { Probot, ProbotOctokit, type Options } from "probot";
import type { Event } from "../../core/event/event.ts";
import { readEvent } from "../../core/event/read.ts";

/** A verified delivery, parsed. */
export type Received = { id: string; name: string; payload: unknown };

/**
 * Turns deliveries into events by way of Probot. One for each object: a promise must not be awaited in another
 * request's context than it was made in. It has no key and no network (docs/decisions/probot.md): the Writer alone
 * talks to GitHub.
 */
export class Receiver {
  #probot: Promise<Probot> | null = null;
  #event: Event | null = null;

  /** @throws what the handler threw, when a payload cannot be read. */
  async receive({ id, name, payload }: Received): Promise<Event> {
    this.#probot ??= this.#start();
    const probot = await this.#probot;
    this.#event = null;
    try {
      await probot.receive({ id, name, payload } as Parameters<Probot["receive"]>[0]);
    } catch (error) {
      throw error instanceof AggregateError && error.errors.length === 1 ? error.errors[0] : error;
    }
    if (this.#event === null) throw new Error(`Probot called no handler for ${name}`);
    return this.#event;
  }

  async #start(): Promise<Probot> {
    // In the function form: Probot merges over an object.
    const Octokit = ProbotOctokit.defaults((options: object) => ({
      ...options,
      throttle: { enabled: false },
      retry: { enabled: false },
    }));
    const probot = new Probot({
      Octokit,
      log: silent(),
      githubToken: "none",
      request: { fetch: refuse },
    });
    await probot.load(
      (app) => {
        app.onAny(({ name, payload }) => {
          this.#event = readEvent(name, payload);
        });
      },
      { cwd: "/", env: {}, addHandler: refuse },
    );
    return probot;
  }
}

function refuse(): never {
  throw new Error("Probot has no network here: GitHub is asked by the Writer");
}

/** Probot logs what `receive` throws as well: it is caught there, once. */
function silent(): NonNullable<Options["log"]> {
  const none = () => {};
  const log = {
    fatal: none,
    error: none,
    warn: none,
    info: none,
    debug: none,
    trace: none,
    silent: none,
    level: "silent",
    child: () => log,
  };
  return log as unknown as NonNullable<Options["log"]>; // pino's own type has forty more members, which Probot does not use
}
