import { ATTRIBUTE_BATCH } from "../../protocol/attribute.ts";
import type { ToLog, ToRun } from "../../protocol/data.ts";
import { LogBudget } from "../log/budget.ts";
import { LogParts } from "../log/parts.ts";
import { OutgoingLog } from "../log/stream.ts";
import type { Redaction } from "../redaction/index.ts";
import type { Clock } from "./clock.ts";
import type { Outbound } from "./outbound.ts";
import type { Sink } from "./sink.ts";

/** JSON characters of one batch: well below a frame, whatever redaction and escapes add. */
const BATCH_CHARACTERS = 400_000;

export type OutgoingOptions = {
  about: { job: string; attempt: number };
  run: Outbound<ToRun>;
  log: Outbound<ToLog>;
  redaction: Redaction;
  clock: Clock;
};

/** The sink of one attempt, over its two channels. */
export function outgoingSink(options: OutgoingOptions): {
  sink: Sink;
  closeLogs: () => Promise<void>;
} {
  const { about, run, log, redaction, clock } = options;
  const parts = new LogParts((body) => log.append(body, about), clock);
  const budget = new LogBudget();
  const writers = new Map<string, OutgoingLog>();
  const sink: Sink = {
    async attributes(list) {
      for (const attributes of batches(list))
        await run.append({ kind: "attributes", attributes }, about);
    },
    async results(list) {
      for (const results of batches(list)) await run.append({ kind: "results", results }, about);
    },
    async evaluated(summary) {
      await run.append({ kind: "evaluated", ...summary }, about);
    },
    async impact(difference) {
      await run.append({ kind: "impact", difference }, about);
    },
    async machine(news) {
      await run.append(news, about);
    },
    log(name) {
      const known = writers.get(name);
      if (known !== undefined) return known;
      const writer = new OutgoingLog({ name, parts, budget, redactor: redaction.stream() });
      writers.set(name, writer);
      return writer;
    },
  };
  return {
    sink,
    async closeLogs() {
      await Promise.all([...writers.values()].map((writer) => writer.close()));
    },
  };
}

function* batches<T>(list: readonly T[]): Generator<T[]> {
  let batch: T[] = [];
  let characters = 0;
  for (const each of list) {
    const size = JSON.stringify(each).length;
    if (
      batch.length > 0 &&
      (batch.length >= ATTRIBUTE_BATCH.size || characters + size > BATCH_CHARACTERS)
    ) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(each);
    characters += size;
  }
  if (batch.length > 0) yield batch;
}
