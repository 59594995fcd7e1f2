import type * as z from "zod";
import { type FromRunner, type Hello, LEASE } from "../../../protocol/control.ts";
import type { Frame } from "../../../protocol/frame.ts";
import type { Channel } from "../../channel/index.ts";
import { closeSocket, send } from "../../channel/index.ts";
import type { Audit } from "./audit.ts";
import type { Desk } from "./desk.ts";
import type { Jobs } from "./jobs.ts";
import type { Runners } from "./runners.ts";
import { fleetFrame, type Sockets } from "./sockets.ts";

type Parts = {
  desk: Desk;
  jobs: Jobs;
  runners: Runners;
  sockets: Sockets;
  channel: Channel<FromRunner>;
  audit: Audit;
};
type Held = z.infer<typeof Hello>["running"];

const PROTOCOL = 1008;

/** What runners say. */
export class Hearing {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  hear(socket: WebSocket, message: string | ArrayBuffer, now: number): void {
    const { sockets, channel } = this.#parts;
    const { runner, stream } = sockets.read(socket);
    // Replaced by a newer socket, or retired: what was still on its way would speak of the past.
    if (stream !== null && sockets.of(runner) !== socket) return;
    channel.receive(socket, streamName(runner, stream), message, {
      unkept: (frame) => this.#unkept(socket, runner, stream, frame, now),
      // A kept frame before the hello has no stream to be counted in: thrown before anything is stored.
      allow: (frame) => (stream === null && frame.seq > 0 ? { stale: "hello first" } : null),
      commit: (frame) => this.#kept(runner, frame, now),
    });
  }

  /** Nothing will be heard of the stream any more. */
  forget(runner: string, stream: string): void {
    this.#parts.channel.forget(streamName(runner, stream));
  }

  #unkept(
    socket: WebSocket,
    runner: string,
    stream: string | null,
    { body }: Frame<FromRunner>,
    now: number,
  ): void {
    if (body.kind === "hello") this.#hello(socket, runner, body, now);
    else if (stream === null) closeSocket(socket, PROTOCOL, "hello first");
    else if (body.kind === "renew") this.#renew(socket, runner, stream, body.attempts, now);
    else if (body.kind === "drain") this.#parts.runners.drain(runner);
    else if (body.kind === "targets") this.#parts.runners.names(runner, body.targets);
    else closeSocket(socket, PROTOCOL, `${body.kind} needs a sequence number`);
  }

  #hello(socket: WebSocket, runner: string, hello: z.infer<typeof Hello>, now: number): void {
    const { sockets, runners, channel } = this.#parts;
    // Retired between its upgrade and its hello.
    const enrolled = runners.get(runner);
    if (enrolled === null) return closeSocket(socket, PROTOCOL, "not enrolled");
    const sharing = runners.all().filter(({ exchange }) => exchange === (hello.exchange ?? false));
    if (enrolled.pool === "untrusted" && sharing.some(({ pool }) => pool !== "untrusted"))
      return closeSocket(socket, PROTOCOL, SHARED);
    if (enrolled.pool !== "untrusted")
      for (const { runner: other, pool } of sharing) {
        const theirs = pool === "untrusted" ? sockets.of(other) : null;
        if (theirs !== null) closeSocket(theirs, PROTOCOL, SHARED);
      }
    sockets.replace(runner, socket);
    const before = runners.hello(runner, hello);
    if (before !== null) channel.forget(streamName(runner, before));
    sockets.write(socket, { runner, stream: hello.stream, renewedAt: now });
    const row = runners.get(runner);
    if (row === null) throw new Error(`runner ${runner} is connected and not enrolled`);
    const ack = channel.position(streamName(runner, hello.stream));
    send(socket, fleetFrame({ kind: "welcome", runner, pool: row.pool }, { ack }));
    this.#compare(runner, hello.running, true, now);
  }

  #renew(socket: WebSocket, runner: string, stream: string, held: Held, now: number): void {
    this.#parts.sockets.write(socket, { runner, stream, renewedAt: now });
    this.#compare(runner, held, false, now);
  }

  /** What the runner holds against what it should hold. Offers on their way are judged at a hello only. */
  #compare(runner: string, held: Held, isHello: boolean, now: number): void {
    const { desk, jobs } = this.#parts;
    for (const { job, attempt } of held) desk.apply(job, { kind: "held", attempt, runner }, now);
    const names = new Set(held.map(({ job, attempt }) => `${job}/${attempt}`));
    for (const job of jobs.openOf(runner)) {
      if (names.has(`${job.job}/${job.attempt}`) || (job.state === "offered" && !isHello)) continue;
      desk.apply(job.job, { kind: "absent", runner }, now);
    }
  }

  #refused(
    runner: string,
    { refusal, reason, digest }: Extract<FromRunner, { kind: "refused" }>,
    { job, attempt }: { job: string | null; attempt: number | null },
    now: number,
  ): void {
    const { audit, desk, jobs } = this.#parts;
    audit.note({ by: "runner", runner, job, attempt, what: refusal, reason, digest }, now);
    if (job === null || attempt === null) return;
    // Only an offer that waits for its answer: what the runner has taken, or is about to, is not ended by a copy of it.
    if (refusal !== "replayed" && jobs.get(job)?.state === "offered")
      desk.apply(job, { kind: "decline", attempt, runner, reason }, now);
  }

  #kept(runner: string, frame: Frame<FromRunner>, now: number): void {
    const { desk } = this.#parts;
    const { body, job, attempt } = frame;
    if (body.kind === "refused") return this.#refused(runner, body, { job, attempt }, now);
    // Without a job these mean nothing; acknowledged, so that a broken agent does not send them for ever.
    if (job === null || attempt === null) return;
    switch (body.kind) {
      case "accept":
      case "started":
        desk.apply(job, { kind: body.kind, attempt, runner }, now);
        return;
      case "decline":
        desk.apply(job, { kind: "decline", attempt, runner, reason: body.reason }, now);
        return;
      case "finished":
        desk.apply(
          job,
          { kind: "finished", attempt, runner, verdict: body.verdict, digest: body.digest },
          now,
        );
        return;
      case "hello":
      case "renew":
      case "targets":
      // A drain that was kept may be of an earlier life of the agent; the present one says its own without a number.
      case "drain":
        return;
    }
  }
}

/**
 * An untrusted runner would write to what runners of another pool read. It is the one that is refused, whoever came
 * first; that two URLs mean the same store only the operator knows.
 */
const SHARED =
  "the exchange is that of another pool: strangers' builds never reach what others trust";

/** Until when a runner whose socket closed counts as present. */
export function awayUntil(renewedAt: number): number {
  return renewedAt + LEASE.duration;
}

function streamName(runner: string, stream: string | null): string {
  return `${runner}/${stream ?? ""}`;
}
