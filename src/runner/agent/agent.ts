import { createHash, type KeyObject, randomUUID } from "node:crypto";
import { mkdir, readFile, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  FleetFrame,
  type FromRunner,
  LEASE,
  RunnerFrame,
  type ToRunner,
} from "../../protocol/control.ts";
import type { Frame } from "../../protocol/frame.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import type { Specification } from "../../protocol/specification.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { connectHeader, type Identity } from "../enrolment/identity.ts";
import type { Isolation } from "../isolation/index.ts";
import { Redaction } from "../redaction/index.ts";
import { Attempt, type AttemptParts, socketUrl } from "./attempt.ts";
import type { Clock } from "./clock.ts";
import { parseJson } from "./data-channel.ts";
import type { RunJob } from "./job.ts";
import { Link } from "./link.ts";
import { Outbound } from "./outbound.ts";
import { Records } from "./record.ts";
import { Spool } from "./spool/spool.ts";
import { verifySpecification } from "./verify.ts";

export type AgentOptions = {
  url: string;
  /** Key, spool and attempts; see `agentDirectory`. */
  directory: string;
  identity: Identity;
  key: KeyObject;
  version: string;
  slots: number;
  systems: string[];
  features: string[];
  minimumFreeBytes: number;
  /** The operator's secrets that no output may show. */
  secrets: readonly string[];
  isolation: Isolation;
  runJob: RunJob;
  clock: Clock;
  /** One line for the operator. */
  say: (line: string) => void;
};

/** The runner's side of the control channel: takes offers, renews leases, tells verdicts until they are acknowledged. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #outbound: Outbound<FromRunner>;
  readonly #stream: string;
  readonly #records: Records;
  readonly #parts: AttemptParts;
  /** Held attempts, until their verdicts are acknowledged. */
  readonly #held = new Map<string, Attempt>();
  readonly #ends = new Set<Promise<void>>();
  #link: Link | null = null;
  #draining = false;
  #stopped = false;
  #cancelRenewal: () => void = () => {};

  private constructor(options: AgentOptions, outbound: Outbound<FromRunner>, stream: string) {
    this.#options = options;
    this.#outbound = outbound;
    this.#stream = stream;
    this.#records = new Records(options.directory);
    const { url, clock, secrets, runJob, isolation } = options;
    this.#parts = { url, clock, secrets, runJob, isolation, records: this.#records };
  }

  /** Takes up what an earlier life left, then connects. */
  static async start(options: AgentOptions): Promise<Agent> {
    const directory = join(options.directory, "control");
    const spool = await Spool.open(directory);
    const redaction = new Redaction();
    for (const secret of options.secrets) redaction.secret(secret);
    // Verdicts come redacted by their own attempt; this is for what the agent itself says.
    const outbound = new Outbound<FromRunner>(spool, RunnerFrame, (body) => redaction.value(body));
    const agent = new Agent(options, outbound, await streamOf(directory));
    await agent.#recover(await spool.read(spool.acked + 1, Number.POSITIVE_INFINITY));
    agent.#connect();
    return agent;
  }

  /** No new attempts; resolves when the held ones are told. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#outbound.append({ kind: "drain" }, { job: null, attempt: null });
    while (this.#ends.size > 0) await Promise.all(this.#ends);
  }

  /** Cancels whatever runs; `drain` then ends soon. */
  cancelAll(reason: string): void {
    for (const attempt of this.#held.values()) attempt.cancel(reason);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRenewal();
    this.#link?.stop();
    await this.#outbound.close();
    await Promise.all([...this.#held.values()].map((attempt) => attempt.abandon()));
  }

  #connect(): void {
    const { url, identity, key, clock, say } = this.#options;
    const link = new Link({
      url: socketUrl(url, RUNNER_ROUTE.socket),
      clock,
      headers: () => ({ authorization: connectHeader(identity, key, clock.now()) }),
      events: {
        open: () => {
          this.#outbound.connected();
          this.#hello();
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

  #hello(): void {
    const { version, systems, features, slots } = this.#options;
    this.#say({
      kind: "hello",
      agent: version,
      stream: this.#stream,
      systems,
      features,
      slots,
      running: this.#running(),
    });
  }

  #message(text: string): void {
    const parsed = FleetFrame.safeParse(parseJson(text));
    if (!parsed.success) return this.#link?.cut("a message that is not of this protocol");
    const { body, job, attempt, ack } = parsed.data;
    const key = job === null || attempt === null ? null : name({ job, attempt });
    switch (body.kind) {
      case "welcome":
        this.#options.say(`connected as ${body.runner} (pool ${body.pool})`);
        this.#renewLater();
        void this.#outbound.acked(ack);
        if (this.#draining)
          void this.#outbound.append({ kind: "drain" }, { job: null, attempt: null });
        return;
      case "ack":
        void this.#outbound.acked(ack);
        return;
      case "offer":
        this.#track(this.#consider(body));
        return;
      case "cancel":
        if (key !== null) this.#held.get(key)?.cancel(body.reason);
        return;
      case "forget":
        if (key !== null) this.#held.get(key)?.forget();
        return;
    }
  }

  async #consider(offer: Extract<ToRunner, { kind: "offer" }>): Promise<void> {
    const { identity, clock, say } = this.#options;
    const verified = verifySpecification(offer, identity, clock.now());
    if (!verified.ok) {
      // Unsigned, it may not even be answered for the job it names.
      say(`refused an offer: ${verified.why}`);
      const named = about(offer.specification);
      if (named !== null)
        await this.#outbound.append({ kind: "decline", reason: verified.why }, named);
      return;
    }
    const { specification } = verified;
    const { job, attempt } = specification;
    if (this.#held.has(name(specification))) return;
    // Held from here on, so that offers that arrive together see each other.
    const held = new Attempt({ job, attempt, token: offer.token, verdict: null }, this.#parts);
    this.#held.set(name(specification), held);
    const why = await this.#whyNot();
    if (why !== null) {
      this.#held.delete(name(specification));
      await this.#outbound.append({ kind: "decline", reason: why }, { job, attempt });
      return;
    }
    await this.#records.save(held.record);
    await this.#outbound.append({ kind: "accept" }, { job, attempt });
    await this.#work(held, specification);
  }

  async #whyNot(): Promise<string | null> {
    const { slots, directory, minimumFreeBytes } = this.#options;
    if (this.#draining || this.#stopped) return "draining";
    if (this.#held.size > slots) return "no free slot";
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize < minimumFreeBytes
      ? `disk: ${bavail * bsize} bytes free, ${minimumFreeBytes} needed`
      : null;
  }

  async #work(held: Attempt, specification: Specification): Promise<void> {
    const { job, attempt } = held.record;
    this.#options.say(
      `${job} attempt ${attempt}: ${specification.work.kind} for ${specification.repository.owner}/${specification.repository.name}`,
    );
    await this.#outbound.append({ kind: "started" }, { job, attempt });
    await this.#tell(held, await held.run(specification));
  }

  /** Tells the verdict of an attempt. */
  async #tell(held: Attempt, verdict: Verdict): Promise<void> {
    const { job, attempt } = held.record;
    this.#options.say(
      `${job} attempt ${attempt}: ${held.isForgotten ? "forgotten" : verdict.kind}`,
    );
    if (!held.isForgotten && !this.#stopped) {
      const digest = createHash("sha256").update(JSON.stringify(verdict)).digest("hex");
      await this.#outbound.append({ kind: "finished", verdict, digest }, { job, attempt });
    }
    await this.#letGo(held);
  }

  async #recover(unacked: readonly { text: string }[]): Promise<void> {
    const told = new Set<string>();
    for (const { text } of unacked) {
      const { body, job, attempt } = RunnerFrame.parse(JSON.parse(text));
      if (body.kind === "finished" && job !== null && attempt !== null)
        told.add(name({ job, attempt }));
    }
    for (const record of await this.#records.load()) {
      const held = new Attempt(record, this.#parts);
      this.#held.set(name(record), held);
      this.#track(
        told.has(name(record))
          ? this.#letGo(held)
          : held.resume().then((verdict) => this.#tell(held, verdict)),
      );
    }
  }

  /** When its verdict is acknowledged (or nobody wants it) the attempt goes. */
  async #letGo(held: Attempt): Promise<void> {
    const told = held.isForgotten || (await this.#outbound.drained());
    // Else it is still on disk, and told by the next life of this agent.
    if (!told || this.#stopped) return;
    this.#held.delete(name(held.record));
    await this.#records.remove(held.record);
  }

  #track(work: Promise<void>): void {
    const end = work
      .catch((error: unknown) =>
        this.#options.say(`failed: ${error instanceof Error ? error.message : String(error)}`),
      )
      .finally(() => this.#ends.delete(end));
    this.#ends.add(end);
  }

  #renewLater(): void {
    const { clock } = this.#options;
    this.#cancelRenewal();
    this.#cancelRenewal = clock.after(LEASE.renewal * (0.8 + 0.4 * clock.random()), () => {
      this.#say({ kind: "renew", attempts: this.#running() });
      this.#renewLater();
    });
  }

  #running(): { job: string; attempt: number }[] {
    return [...this.#held.values()].map(({ record: { job, attempt } }) => ({ job, attempt }));
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

const name = ({ job, attempt }: { job: string; attempt: number }) => `${job}/${attempt}`;

function about(text: string): { job: string; attempt: number } | null {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || !("job" in value) || !("attempt" in value))
    return null;
  return typeof value.job === "string" && typeof value.attempt === "number"
    ? { job: value.job, attempt: value.attempt }
    : null;
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
