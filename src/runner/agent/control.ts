import type { KeyObject } from "node:crypto";
import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  FleetFrame,
  type FromRunner,
  LEASE,
  RunnerFrame,
  type ToRunner,
} from "../../protocol/control.ts";
import type { DeployTarget } from "../../protocol/machine.ts";
import type { Frame } from "../../protocol/frame.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { connectHeader, type Identity } from "../enrolment/identity.ts";
import { Redaction } from "../redaction/index.ts";
import type { Clock } from "./clock.ts";
import { parseJson } from "./data-channel.ts";
import { Link, socketUrl } from "./link.ts";
import { Outbound } from "./outbound.ts";
import { Spool } from "./spool/spool.ts";

export type About = { job: string; attempt: number };
type Hello = Extract<FromRunner, { kind: "hello" }>;

export type ControlOptions = {
  url: string;
  /** The agent's; the channel has a folder of its own in it. */
  directory: string;
  identity: Identity;
  key: KeyObject;
  secrets: readonly string[];
  clock: Clock;
  say: (line: string) => void;
  hello: () => Omit<Hello, "kind" | "stream" | "running">;
  /** What is held now, for hello and renewals. */
  running: () => About[];
  events: {
    welcome(): void;
    offer(offer: Extract<ToRunner, { kind: "offer" }>): void;
    cancel(about: About, reason: string): void;
    forget(about: About): void;
    branchGone(branch: { repository: number; ref: string }): void;
  };
};

/** The runner's end of the control channel: hello after each connection, renewals, what is kept until it is committed. */
export class Control {
  readonly #options: ControlOptions;
  readonly #outbound: Outbound<FromRunner>;
  readonly #stream: string;
  readonly #spool: Spool;
  #link: Link | null = null;
  #cancelRenewal: () => void = () => {};

  private constructor(options: ControlOptions, spool: Spool, stream: string) {
    this.#options = options;
    this.#spool = spool;
    this.#stream = stream;
    const redaction = new Redaction();
    for (const secret of options.secrets) redaction.secret(secret);
    // Verdicts come redacted by their own attempt; this is for what the agent itself says.
    this.#outbound = new Outbound<FromRunner>(spool, RunnerFrame, (body) => redaction.value(body));
  }

  static async open(options: ControlOptions): Promise<Control> {
    const directory = join(options.directory, "control");
    return new Control(options, await Spool.open(directory), await streamOf(directory));
  }

  /** Attempts whose verdicts an earlier life of this agent has put on their way. */
  async told(): Promise<About[]> {
    const told: About[] = [];
    for await (const { text } of this.#spool.all()) {
      const { body, job, attempt } = RunnerFrame.parse(JSON.parse(text));
      if (body.kind === "finished" && job !== null && attempt !== null) told.push({ job, attempt });
    }
    return told;
  }

  connect(): void {
    const { url, identity, key, clock, say } = this.#options;
    const link = new Link({
      url: socketUrl(url, RUNNER_ROUTE.socket),
      clock,
      headers: () => ({ authorization: connectHeader(identity, key, clock.now()) }),
      events: {
        open: () => {
          this.#outbound.connected();
          const { hello, running } = this.#options;
          this.#say({ kind: "hello", stream: this.#stream, ...hello(), running: running() });
        },
        message: (text) => this.#message(text),
        closed: (why) => {
          this.#cancelRenewal();
          this.#outbound.connected();
          say(`not connected: ${why}`);
        },
        refused: (status) =>
          say(
            status === 401 || status === 403
              ? "the control plane does not know this runner: enrol it, or set its clock"
              : `answered ${status}`,
          ),
      },
    });
    this.#link = link;
    this.#outbound.attach(link);
  }

  /** Kept: resolves when it is durable here; it is sent until it is committed there. */
  async tell(body: FromRunner, about: About | null): Promise<void> {
    await this.#outbound.append(body, about ?? { job: null, attempt: null });
  }

  /**
   * Asks for no more offers, until the next hello. Not kept: after a restart it would overtake the hello of a life that
   * wants work, and nothing would ever be offered to it again. When it is lost, offers are declined.
   */
  drain(): void {
    this.#say({ kind: "drain" });
  }

  /** Not kept: a hello says it too. */
  targets(targets: DeployTarget[]): void {
    this.#say({ kind: "targets", targets });
  }

  /** Resolves when everything told so far is committed (true), or this channel was closed (false). */
  async drained(): Promise<boolean> {
    return await this.#outbound.drained();
  }

  async close(): Promise<void> {
    this.#cancelRenewal();
    this.#link?.stop();
    await this.#outbound.close();
  }

  #message(text: string): void {
    const parsed = FleetFrame.safeParse(parseJson(text));
    if (!parsed.success) return this.#link?.cut("a message that is not of this protocol");
    const { body, job, attempt, ack } = parsed.data;
    const about = job === null || attempt === null ? null : { job, attempt };
    const { events, say } = this.#options;
    switch (body.kind) {
      case "welcome":
        say(`connected as ${body.runner} (pool ${body.pool})`);
        this.#renewLater();
        void this.#outbound.acked(ack);
        return events.welcome();
      case "ack":
        void this.#outbound.acked(ack);
        return;
      case "offer":
        return events.offer(body);
      case "cancel":
        return about === null ? undefined : events.cancel(about, body.reason);
      case "forget":
        return about === null ? undefined : events.forget(about);
      case "branch-gone":
        return events.branchGone({ repository: body.repository, ref: body.ref });
    }
  }

  #renewLater(): void {
    const { clock, running } = this.#options;
    this.#cancelRenewal();
    this.#cancelRenewal = clock.after(LEASE.renewal * (0.8 + 0.4 * clock.random()), () => {
      this.#say({ kind: "renew", attempts: running() });
      this.#renewLater();
    });
  }

  /** Frames that are not kept. */
  #say(body: FromRunner): void {
    const frame: Frame<FromRunner> = {
      v: PROTOCOL_VERSION,
      seq: 0,
      ack: 0,
      job: null,
      attempt: null,
      sig: null,
      body,
    };
    this.#link?.send(JSON.stringify(frame));
  }
}

/** Identity of the outgoing stream: as old as its spool. */
async function streamOf(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, "stream");
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    const stream = randomUUID();
    await writeFile(path, stream, { mode: 0o600 });
    return stream;
  }
}
