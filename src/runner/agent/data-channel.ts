import type * as z from "zod";
import { type DataReply, DataReplyFrame } from "../../protocol/data.ts";
import type { Frame } from "../../protocol/frame.ts";
import type { Clock } from "./clock.ts";
import { Link } from "./link.ts";
import { Outbound } from "./outbound.ts";
import { Spool } from "./spool/spool.ts";

export type DataChannelOptions<Body> = {
  url: string;
  token: string;
  schema: z.ZodType<Frame<Body>>;
  spool: string;
  /** Frames stay on disk when they are acknowledged, for `kept`. */
  keep?: boolean;
  redact: (body: Body) => Body;
  clock: Clock;
  /** The other side takes nothing more of this attempt. */
  stale: (reason: string) => void;
  /** What the other side says beside its acknowledgements. */
  heard?: (reply: DataReply) => void;
  /** A connection stands; the first one counts. */
  opened?: () => void;
};

/** One attempt's channel to the Run or the Log object: connects when there is something to send. */
export class DataChannel<Body> {
  readonly outbound: Outbound<Body>;
  readonly #options: DataChannelOptions<Body>;
  readonly #spool: Spool;
  #link: Link | null = null;

  private constructor(options: DataChannelOptions<Body>, spool: Spool) {
    this.#options = options;
    this.#spool = spool;
    this.outbound = new Outbound(spool, options.schema, options.redact);
  }

  static async open<Body>(options: DataChannelOptions<Body>): Promise<DataChannel<Body>> {
    return new DataChannel(
      options,
      await Spool.open(options.spool, { keep: options.keep ?? false }),
    );
  }

  /** Texts of all frames of the attempt so far, whoever has them. */
  kept(): AsyncIterable<{ text: string }> {
    return this.#spool.all();
  }

  connect(): void {
    if (this.#link !== null) return;
    const { url, token, clock } = this.#options;
    const link = new Link({
      url,
      clock,
      headers: () => ({ authorization: `Bearer ${token}` }),
      events: {
        open: () => {
          this.outbound.connected();
          this.#options.opened?.();
        },
        message: (text) => this.#message(text),
        closed: () => this.outbound.connected(),
        refused: (status) => {
          // The token is the attempt's for a day: refused means that nobody wants to hear it any more.
          if (status === 401 || status === 403 || status === 410)
            this.#over(`the channel answered ${status}`);
        },
      },
    });
    this.#link = link;
    this.outbound.attach(link);
  }

  async close(): Promise<void> {
    this.#link?.stop();
    await this.outbound.close();
  }

  #message(text: string): void {
    const parsed = DataReplyFrame.safeParse(parseJson(text));
    if (!parsed.success) return this.#link?.cut("an answer that is not of this protocol");
    const { body, ack } = parsed.data;
    if (body.kind === "stale") this.#over(body.reason);
    else if (body.kind === "ack") void this.outbound.acked(ack);
    else this.#options.heard?.(body);
  }

  #over(reason: string): void {
    this.#link?.stop();
    this.outbound.drop();
    this.#options.stale(reason);
  }
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
