import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import type { Refusal } from "../../protocol/control.ts";
import { LogFrame, RunFrame, type ToLog, type ToRun } from "../../protocol/data.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import type { Specification } from "../../protocol/specification.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { Isolation } from "../isolation/index.ts";
import { LogParts } from "../log/parts.ts";
import { closeAfterCrash } from "../log/recover.ts";
import { attester } from "../provenance/attest.ts";
import { signClosure } from "../provenance/closure.ts";
import { Redaction } from "../redaction/index.ts";
import type { OperatorCredentials } from "../source/operator.ts";
import type { Clock } from "./clock.ts";
import { fetchCloneToken, fetchInputToken } from "./clone-token.ts";
import { DataChannel } from "./data-channel.ts";
import type { RunJob } from "./job.ts";
import { longest, STOPS_WITHIN } from "./limit.ts";
import { socketUrl } from "./link.ts";
import { manifestsOf } from "./manifests.ts";
import { outgoingSink } from "./outgoing.ts";
import { AttemptTalk } from "./run-talk.ts";
import type { AttemptRecord, Records } from "./record.ts";

export type AttemptParts = {
  url: string;
  records: Records;
  clock: Clock;
  secrets: readonly string[];
  /** The one that was enrolled: signs what is built. */
  key: KeyObject;
  credentials: OperatorCredentials;
  runJob: RunJob;
  isolation: Isolation;
  /** For the audit log: what the job was not done for, though the control plane said so. */
  refused: (
    of: { job: string; attempt: number },
    refusal: Refusal,
    reason: string,
  ) => Promise<void>;
};

type Channels = { run: DataChannel<ToRun>; log: DataChannel<ToLog> };

const LOST: Verdict = {
  kind: "infrastructure",
  message: "The agent was restarted while the job ran.",
  logTail: "",
};

/** One attempt on this runner: its job, its channels, its verdict. */
export class Attempt {
  readonly record: AttemptRecord;
  readonly #parts: AttemptParts;
  readonly #redaction = new Redaction();
  readonly #abort = new AbortController();
  #cancelled: string | null = null;
  #sealed = false;
  #forgotten = false;
  #ended = false;
  #channels: Channels | null = null;
  #talk: AttemptTalk | null = null;

  constructor(record: AttemptRecord, parts: AttemptParts) {
    this.record = record;
    this.#parts = parts;
    this.#redaction.secret(record.token);
    for (const secret of parts.secrets) this.#redaction.secret(secret);
  }

  /** Ends the job; its verdict is `cancelled`. Past its point of no return it ends by itself, and nothing changes. */
  cancel(reason: string): void {
    if (this.#sealed) return;
    this.#cancelled ??= reason;
    this.#abort.abort(new Error(`cancelled: ${reason}`));
  }

  /** Ends the job without a word: the attempt is not this runner's any more. */
  forget(): void {
    this.#forgotten = true;
    this.cancel("the attempt is not this runner's any more");
    this.#giveUp();
  }

  /** Stops where it stands, as a crash would: the next life of the agent takes it up from the disk. */
  async abandon(): Promise<void> {
    if (this.#channels !== null) await close(this.#channels);
    this.#abort.abort(new Error("the agent ends"));
  }

  get isForgotten(): boolean {
    return this.#forgotten;
  }

  /** The job is over; its verdict may still be on its way. */
  get hasEnded(): boolean {
    return this.#ended || this.record.verdict !== null;
  }

  /** Runs the job and brings everything it says to the control plane; then answers the verdict to be told. */
  async run(specification: Specification): Promise<Verdict> {
    const channels = await this.#open();
    try {
      const verdict = await this.#runJob(specification, channels, false);
      return await this.#settle(verdict, channels);
    } finally {
      await close(channels);
    }
  }

  /**
   * After a restart of the agent: what was on its way is sent; a job that had not ended is reported as lost, a deploy when it
   * was seen how its machine ended.
   */
  async resume(): Promise<Verdict> {
    const channels = await this.#open();
    try {
      if (this.record.verdict === null) {
        const ends = await closeAfterCrash(channels.log.kept());
        const parts = new LogParts(
          (body) => channels.log.outbound.append(body, this.#about),
          this.#parts.clock,
        );
        await Promise.all(ends.map((part) => parts.push(part)));
      }
      const { verdict, deploy } = this.record;
      if (verdict === null && deploy !== undefined)
        return await this.#settle(await this.#runJob(deploy, channels, true), channels);
      return await this.#settle(verdict ?? LOST, channels);
    } finally {
      await close(channels);
    }
  }

  /** Set while channels are open. */
  #giveUp: () => void = () => {};

  async #runJob(
    specification: Specification,
    { run, log }: Channels,
    resumed: boolean,
  ): Promise<Verdict> {
    const { url, clock, runJob, isolation, credentials, key } = this.#parts;
    const { sink, closeLogs } = outgoingSink({
      about: this.#about,
      run: run.outbound,
      log: log.outbound,
      redaction: this.#redaction,
      clock,
    });
    // A cancel may come before there is anything to stop.
    if (this.#abort.signal.aborted)
      return { kind: "cancelled", by: (this.#cancelled ?? "").slice(0, 256) };
    const { signal } = this.#abort;
    const { token } = this.record;
    const talk = new AttemptTalk((body) => run.outbound.append(body, this.#about), signal);
    this.#talk = talk;
    const question = { url, token, redaction: this.#redaction, signal, clock };
    const verdict = await attempt(() =>
      this.#within(
        longest(specification),
        runJob(specification, {
          isolation,
          sink,
          talk,
          clock,
          signal,
          attest: attester(
            key,
            {
              host: specification.host,
              repository: specification.repository.id,
              sha: commitOf(specification.work),
            },
            (value) => this.#redaction.value(value),
          ),
          attestClosure: (machine, system, paths) =>
            signClosure(
              key,
              {
                host: specification.host,
                repository: specification.repository.id,
                sha: commitOf(specification.work),
                machine,
              },
              system,
              paths,
            ),
          seal: () => this.#seal(),
          mask: (secret) => this.#redaction.secret(secret),
          refused: async (refusal, reason) =>
            await this.#parts.refused(this.#about, refusal, this.#redaction.value(reason)),
          resumed,
          manifests: manifestsOf(question),
          cloneToken: () => fetchCloneToken(question),
          inputToken: () => fetchInputToken(question),
          credentials,
        }),
      ),
    );
    const closed = await attempt(async () => {
      await closeLogs();
      return verdict;
    });
    return this.#cancelled === null
      ? closed
      : { kind: "cancelled", by: this.#cancelled.slice(0, 256) };
  }

  #seal(): boolean {
    if (!this.#abort.signal.aborted) this.#sealed = true;
    return this.#sealed;
  }

  /** The job's verdict; or, when it takes too long or does not stop when told to, ours. */
  async #within(seconds: number, job: Promise<Verdict>): Promise<Verdict> {
    const { clock } = this.#parts;
    const { signal } = this.#abort;
    const hung = Promise.withResolvers<never>();
    let late = false;
    let cancelStop = () => {};
    const stopping = () => {
      cancelStop = clock.after(STOPS_WITHIN, () =>
        hung.reject(new Error(`the job did not stop within ${STOPS_WITHIN / 1_000} s`)),
      );
    };
    const cancelLimit = clock.after(seconds * 1_000, () => {
      // It keeps limits of its own, and what it works on must not be left half-way.
      if (this.#sealed) return;
      late = true;
      this.#abort.abort(new Error(`the job took longer than ${seconds} s`));
    });
    signal.addEventListener("abort", stopping, { once: true });
    if (signal.aborted) stopping();
    const timedOut: Verdict = { kind: "timed-out", limitSeconds: seconds, logTail: "" };
    try {
      const verdict = await Promise.race([job, hung.promise]);
      return late ? timedOut : verdict;
    } catch (error) {
      if (late) return timedOut;
      throw error;
    } finally {
      cancelLimit();
      cancelStop();
      signal.removeEventListener("abort", stopping);
    }
  }

  /** The verdict is durable, and everything that was found out is committed, before anybody is told that it is over. */
  async #settle(verdict: Verdict, { run, log }: Channels): Promise<Verdict> {
    const redacted = this.#redaction.value(verdict);
    this.#ended = true;
    if (this.#forgotten) return redacted;
    await this.#parts.records.save({ ...this.record, verdict: redacted });
    const drained = await Promise.all([run.outbound.drained(), log.outbound.drained()]);
    if (drained.every(Boolean) || this.#forgotten) return redacted;
    return {
      kind: "infrastructure",
      message: "What the job found out could not be read back from the runner's disk.",
      logTail: "",
    };
  }

  async #open(): Promise<Channels> {
    const { url, clock } = this.#parts;
    const common = { token: this.record.token, clock, stale: () => this.forget() };
    const run = await DataChannel.open<ToRun>({
      ...common,
      url: socketUrl(url, RUNNER_ROUTE.run),
      schema: RunFrame,
      spool: join(this.#directory, "run"),
      redact: (body) => this.#redaction.value(body),
      heard: (reply) => this.#talk?.heard(reply),
      opened: () => this.#talk?.reconnected(),
    });
    const log = await DataChannel.open<ToLog>({
      ...common,
      url: socketUrl(url, RUNNER_ROUTE.log),
      schema: LogFrame,
      spool: join(this.#directory, "log"),
      // What was sent says after a crash how far each stream came.
      keep: true,
      // Chunks are redacted as a stream, before they are cut.
      redact: (body) => body,
    });
    this.#giveUp = () => {
      run.outbound.drop();
      log.outbound.drop();
    };
    if (this.#forgotten) this.#giveUp();
    run.connect();
    log.connect();
    this.#channels = { run, log };
    return this.#channels;
  }

  get #about(): { job: string; attempt: number } {
    return { job: this.record.job, attempt: this.record.attempt };
  }

  get #directory(): string {
    return this.#parts.records.directory(this.record);
  }
}

/** What a job throws is our own failure, not the change's. */
async function attempt(work: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await work();
  } catch (error) {
    return { kind: "infrastructure", message: describe(error).slice(0, 16_000), logTail: "" };
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}

async function close({ run, log }: Channels): Promise<void> {
  await run.close();
  await log.close();
}

/** The commit that what is signed belongs to; an observation belongs to none, and signs nothing. */
function commitOf(work: Specification["work"]): string {
  if (work.kind === "observe") return "";
  return work.kind === "deploy" ? work.sha : work.source.sha;
}
