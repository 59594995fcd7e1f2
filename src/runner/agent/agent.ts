import { createHash, type KeyObject } from "node:crypto";
import { statfs } from "node:fs/promises";
import type { Refusal, ToRunner } from "../../protocol/control.ts";
import type { DeployTarget } from "../../protocol/machine.ts";
import { AttemptNumber, type ExchangeId, JobId } from "../../protocol/identifiers.ts";
import type { Specification } from "../../protocol/specification.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { Identity } from "../enrolment/identity.ts";
import type { Isolation } from "../isolation/index.ts";
import { NO_CREDENTIALS, type OperatorCredentials } from "../source/operator.ts";
import { Attempt, type AttemptParts } from "./attempt.ts";
import { Claims } from "./claims.ts";
import type { Clock } from "./clock.ts";
import { type About, Control } from "./control.ts";
import { parseJson } from "./data-channel.ts";
import type { RunJob } from "./job.ts";
import { Records } from "./record.ts";
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
  /** A branch was deleted; nothing of it need be kept. */
  branchGone?: (branch: { repository: number; ref: string }) => void;
  /** Machines that its own policy lets it change, as it is now. */
  targets?: () => DeployTarget[];
  /** What evaluates here, see `probeEvaluator`. */
  evaluator?: string | null;
  /** The exchange that it passes closures through. */
  exchange?: ExchangeId;
  minimumFreeBytes: number;
  /** The operator's secrets that no output may show. */
  secrets: readonly string[];
  /** What the operator lets the fetch step use; its secrets are in `secrets` too. */
  credentials?: OperatorCredentials;
  isolation: Isolation;
  runJob: RunJob;
  clock: Clock;
  /** One line for the operator. */
  say: (line: string) => void;
};

/** Takes offers, runs their jobs, tells their verdicts until they are committed; takes up what an earlier life left. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #records: Records;
  readonly #claims: Claims;
  readonly #parts: AttemptParts;
  /** Held attempts, until their verdicts are committed. */
  readonly #held = new Map<string, Attempt>();
  readonly #ends = new Set<Promise<void>>();
  readonly #control: Control;
  #draining = false;
  #stopped = false;

  private constructor(options: AgentOptions, control: Control) {
    this.#options = options;
    this.#records = new Records(options.directory);
    this.#claims = new Claims(options.directory);
    const { url, clock, secrets, key, runJob, isolation, credentials = NO_CREDENTIALS } = options;
    this.#parts = {
      url,
      clock,
      secrets,
      key,
      credentials,
      runJob,
      isolation,
      records: this.#records,
      refused: async (of, refusal, reason) => await this.#tellRefused(of, refusal, reason, null),
    };
    this.#control = control;
  }

  /** Takes up what an earlier life left, then connects. */
  static async start(options: AgentOptions): Promise<Agent> {
    const { version, systems, features, exchange, evaluator, slots } = options;
    const { targets = () => [] } = options;
    let agent: Agent | null = null;
    const about = (work: (running: Agent) => void) => () => {
      if (agent !== null) work(agent);
    };
    const control = await Control.open({
      ...options,
      hello: () => ({
        agent: version,
        systems,
        features,
        slots,
        ...(exchange === undefined ? {} : { exchange }),
        ...(evaluator == null ? {} : { evaluator }),
        ...(targets().length === 0 ? {} : { targets: targets() }),
      }),
      running: () => (agent === null ? [] : agent.#running()),
      events: {
        welcome: about((running) => running.#welcomed()),
        offer: (offer) => about((running) => running.#track(running.#consider(offer)))(),
        cancel: (named, reason) =>
          about((running) => running.#held.get(name(named))?.cancel(reason))(),
        forget: (named) => about((running) => running.#held.get(name(named))?.forget())(),
        branchGone: (branch) => options.branchGone?.(branch),
      },
    });
    agent = new Agent(options, control);
    await agent.#recover();
    control.connect();
    return agent;
  }

  /** No new attempts; resolves when the held ones are told. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#control.drain();
    while (this.#ends.size > 0) await Promise.all(this.#ends);
  }

  /** The policy names others now: the control plane is told, unless it is away. Then the next hello tells it. */
  targetsChanged(): void {
    this.#control.targets(this.#options.targets?.() ?? []);
  }

  /** Cancels whatever runs; `drain` then ends soon. */
  cancelAll(reason: string): void {
    for (const attempt of this.#held.values()) attempt.cancel(reason);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#control.close();
    await Promise.all([...this.#held.values()].map((attempt) => attempt.abandon()));
  }

  #welcomed(): void {
    // The hello of a new connection takes a drain back.
    if (this.#draining) this.#control.drain();
  }

  async #consider(offer: Extract<ToRunner, { kind: "offer" }>): Promise<void> {
    const { identity, clock, say } = this.#options;
    const verified = verifySpecification(offer, identity, clock.now());
    const refuse = async (refusal: Refusal, why: string): Promise<void> => {
      say(`refused an offer: ${why}`);
      const digest = createHash("sha256").update(offer.specification).digest("hex");
      await this.#tellRefused(about(offer.specification), refusal, why, digest);
    };
    // Told all the same, so that a job whose control plane changed its keys does not wait for a time-out.
    if (!verified.ok) return await refuse(verified.refusal, verified.why);
    const { specification } = verified;
    const { job, attempt } = specification;
    if (this.#held.has(name(specification))) return await refuse("replayed", REPLAYED);
    // Held from here on, so that offers that arrive together see each other.
    const deploy = specification.work.kind === "deploy" ? { deploy: specification } : {};
    const held = new Attempt(
      { job, attempt, token: offer.token, verdict: null, ...deploy },
      this.#parts,
    );
    this.#held.set(name(specification), held);
    await this.#orRelease(held, async () => {
      const why = await this.#whyNot();
      if (why !== null) {
        this.#held.delete(name(specification));
        await this.#control.tell({ kind: "decline", reason: why }, { job, attempt });
        return;
      }
      if (!(await this.#claims.take(specification, clock.now()))) {
        this.#held.delete(name(specification));
        return await refuse("replayed", REPLAYED);
      }
      await this.#records.save(held.record);
      await this.#control.tell({ kind: "accept" }, { job, attempt });
      await this.#work(held, specification);
    });
  }

  async #tellRefused(
    of: About | null,
    refusal: Refusal,
    why: string,
    digest: string | null,
  ): Promise<void> {
    await this.#control.tell({ kind: "refused", refusal, reason: why.slice(0, 1_024), digest }, of);
  }

  /**
   * An attempt of which nothing more can be told (the disk is full, say) is not held any more: the next renewal does not
   * name it, and the control plane hands the job out again instead of waiting for ever.
   */
  async #orRelease(held: Attempt, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#held.delete(name(held.record));
      throw error;
    }
  }

  async #whyNot(): Promise<string | null> {
    const { slots, directory, minimumFreeBytes } = this.#options;
    if (this.#draining || this.#stopped) return "draining";
    // One whose verdict is on its way keeps no slot: the next offer may overtake the acknowledgement.
    const working = [...this.#held.values()].filter((attempt) => !attempt.hasEnded);
    if (working.length > slots) return "no free slot";
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
    await this.#control.tell({ kind: "started" }, { job, attempt });
    await this.#tell(held, await held.run(specification));
  }

  /** Tells the verdict of an attempt. */
  async #tell(held: Attempt, verdict: Verdict): Promise<void> {
    const { job, attempt } = held.record;
    this.#options.say(
      `${job} attempt ${attempt}: ${held.isForgotten ? "forgotten" : verdict.kind}${verdict.kind === "infrastructure" ? `: ${verdict.message.split("\n", 1)[0]?.slice(0, 300)}` : ""}`,
    );
    if (!held.isForgotten && !this.#stopped) {
      const digest = createHash("sha256").update(JSON.stringify(verdict)).digest("hex");
      await this.#control.tell({ kind: "finished", verdict, digest }, { job, attempt });
    }
    await this.#letGo(held);
  }

  async #recover(): Promise<void> {
    const told = new Set((await this.#control.told()).map(name));
    for (const record of await this.#records.load()) {
      const held = new Attempt(record, this.#parts);
      this.#held.set(name(record), held);
      this.#track(
        this.#orRelease(held, async () =>
          told.has(name(record)) ? this.#letGo(held) : this.#tell(held, await held.resume()),
        ),
      );
    }
  }

  /** When its verdict is acknowledged (or nobody wants it) the attempt goes. */
  async #letGo(held: Attempt): Promise<void> {
    const told = held.isForgotten || (await this.#control.drained());
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

  #running(): About[] {
    return [...this.#held.values()].map(({ record: { job, attempt } }) => ({ job, attempt }));
  }
}

const REPLAYED = "the attempt was taken before: what was said once is not done twice";

const name = ({ job, attempt }: { job: string; attempt: number }) => `${job}/${attempt}`;

function about(text: string): About | null {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || !("job" in value) || !("attempt" in value))
    return null;
  // Nobody vouches for it: what is no name of a job would be a frame that is never taken, and sent for ever.
  const job = JobId.safeParse(value.job);
  const attempt = AttemptNumber.safeParse(value.attempt);
  return job.success && attempt.success ? { job: job.data, attempt: attempt.data } : null;
}
