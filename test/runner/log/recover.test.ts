import { expect, it } from "vitest";
import type { LogPart } from "../../../src/protocol/data.ts";
import { closeAfterCrash, LOST_TAIL } from "../../../src/runner/log/recover.ts";

async function* frames(...parts: LogPart[]) {
  const body = { kind: "parts", parts };
  yield {
    text: JSON.stringify({ v: 1, seq: 1, ack: 0, job: null, attempt: null, sig: null, body }),
  };
}
const chunk = (stream: string, text: string): LogPart => ({
  kind: "chunk",
  stream,
  offset: 0,
  data: Buffer.from(text).toString("base64"),
});

it.each([
  ["below the attempt's cap all of it is there", 100, ""],
  ["at the attempt's cap what a stream went on to say is lost, and that is said", 8, LOST_TAIL],
])("after a crash: %s", async (_name, cap, lost) => {
  const ends = await closeAfterCrash(frames(chunk("a", "four"), chunk("b", "more")), cap);
  const of = (stream: string) =>
    ends
      .filter((part) => part.stream === stream)
      .map((part) => ("data" in part ? Buffer.from(part.data, "base64").toString() : part.size));
  for (const stream of ["a", "b"])
    expect(of(stream)).toEqual([...(lost === "" ? [] : [lost]), 4 + lost.length]);
});
