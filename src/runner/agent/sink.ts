import type { Attribute, AttributeResult } from "../../protocol/attribute.ts";
import type { ToRun } from "../../protocol/data.ts";
import type { MachineDifference } from "../../protocol/impact.ts";

/** What an evaluation came to, without the frame's tag. */
export type Evaluated = Omit<Extract<ToRun, { kind: "evaluated" }>, "kind">;

/** What is said of machines: plans, observations, steps, outcomes. */
export type MachineNews = Extract<ToRun, { kind: "planned" | "observed" | "step" | "deployed" }>;

/** One log stream of an attempt. Bytes are redacted and capped behind it; order is kept. */
export interface LogWriter {
  /** Resolves when there is room for more: awaiting it is the back-pressure. Never rejects for what the network does. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the stream; its size and SHA-256 are sent. A second call does nothing; a write after it throws. */
  close(): Promise<void>;
}

/**
 * Where a job puts what it finds out. Everything is spooled on disk before the promise resolves and is redacted on the
 * way; batches of any size are split as the protocol asks.
 */
export interface Sink {
  attributes(list: readonly Attribute[]): Promise<void>;
  results(list: readonly AttributeResult[]): Promise<void>;
  evaluated(summary: Evaluated): Promise<void>;
  impact(difference: MachineDifference): Promise<void>;
  machine(news: MachineNews): Promise<void>;
  /**
   * The writer of a stream: `job`, or the base name of a derivation. The same name gives the same writer. A name that
   * the protocol does not allow throws. Streams still open when the job ends are closed by the agent.
   */
  log(stream: string): LogWriter;
}
