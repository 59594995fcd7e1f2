import type { DataReply } from "../../protocol/data.ts";
import type { Frame } from "../../protocol/frame.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { Reply } from "./channel.ts";

/** Replies of the data channels (run and log). */
export const dataReply: Reply = {
  ack: (ack) => text(ack, { kind: "ack" }),
  stale: (ack, reason) => text(ack, { kind: "stale", reason }),
};

function text(ack: number, body: DataReply): string {
  const frame: Frame<DataReply> = {
    v: PROTOCOL_VERSION,
    seq: 0,
    ack,
    job: null,
    attempt: null,
    sig: null,
    body,
  };
  return JSON.stringify(frame);
}
