import type { DataReply } from "../../protocol/data.ts";
import type { Frame } from "../../protocol/frame.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { Reply } from "./channel.ts";

/** Replies of the data channels (run and log). */
export const dataReply: Reply = {
  ack: (ack) => dataText({ kind: "ack" }, ack),
  stale: (ack, reason) => dataText({ kind: "stale", reason }, ack),
};

/** A frame to a runner's data channel. Only `ack` and `stale` acknowledge anything. */
export function dataText(body: DataReply, ack = 0): string {
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
