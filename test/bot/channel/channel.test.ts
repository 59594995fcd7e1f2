import { runInDurableObject } from "cloudflare:test";
import { beforeEach, describe, expect, it } from "vitest";
import { Channel, dataReply } from "../../../src/bot/channel/index.ts";
import { LogFrame, type ToLog } from "../../../src/protocol/data.ts";
import { FRAME_BYTES } from "../../../src/protocol/frame.ts";
import { env } from "../support/env.ts";

/** A socket that records: only what a channel uses of one. */
function recorder() {
  const sent: { ack: number; body: { kind: string } }[] = [];
  const closed: number[] = [];
  const socket = {
    send: (text: string) => void sent.push(JSON.parse(text)),
    close: (code: number) => void closed.push(code),
  };
  return { sent, closed, socket: socket as unknown as WebSocket }; // the rest of a socket is not touched
}
const text = (seq: number, data = "") =>
  JSON.stringify({
    v: 1,
    seq,
    ack: 0,
    job: null,
    attempt: null,
    sig: null,
    body: { kind: "parts", parts: [{ kind: "chunk", stream: "job", offset: 0, data }] },
  });

let object = 0;
const inObject = (work: (storage: DurableObjectStorage) => Promise<void> | void) =>
  runInDurableObject(env.LOG.getByName(`channel-test-${object}`), async (_, state) =>
    work(state.storage),
  );
const make = (storage: DurableObjectStorage) => new Channel<ToLog>(storage, LogFrame, dataReply);

beforeEach(() => {
  object += 1;
});

describe("a channel", () => {
  it("commits each number once, in order, and remembers over a new life of the object", async () => {
    await inObject((storage) => {
      const committed: number[] = [];
      const handler = { commit: ({ seq }: { seq: number }) => void committed.push(seq) };
      const { socket, sent } = recorder();
      const first = make(storage);
      expect([1, 2, 2, 1, 3].map((seq) => first.receive(socket, "s", text(seq), handler))).toEqual([
        "committed",
        "committed",
        "repeated",
        "repeated",
        "committed",
      ]);
      const second = make(storage);
      second.opened(socket, "s");
      expect(sent.at(-1)).toMatchObject({ ack: 3, body: { kind: "ack" } });
      expect(second.receive(socket, "s", text(3), handler)).toBe("repeated");
      expect(second.receive(socket, "other", text(1), handler)).toBe("committed");
      expect(committed).toEqual([1, 2, 3, 1]);
    });
  });

  it("closes on a gap, on what is no frame, and on frames above the limit, with what is committed acknowledged", async () => {
    await inObject((storage) => {
      const channel = make(storage);
      const handler = { commit: () => {} };
      const cases: [string | ArrayBuffer, number][] = [
        [text(3), 4000],
        ["{", 1008],
        ["[]", 1008],
        [new ArrayBuffer(3), 1008],
        [text(0), 1008],
        ["é".repeat(FRAME_BYTES / 2 + 1), 1009],
      ];
      channel.receive(recorder().socket, "s", text(1), handler);
      for (const [message, code] of cases) {
        const { socket, closed } = recorder();
        expect(channel.receive(socket, "s", message, handler)).toBe("closed");
        expect(closed).toEqual([code]);
      }
      expect(channel.position("s")).toBe(1);
    });
  });

  it("keeps nothing of a frame whose commit throws: it is taken when it comes again", async () => {
    await inObject((storage) => {
      storage.sql.exec("CREATE TABLE kept (seq INTEGER)");
      const channel = make(storage);
      let fail = true;
      const handler = {
        commit: ({ seq }: { seq: number }) => {
          storage.sql.exec("INSERT INTO kept VALUES (?)", seq);
          if (fail) throw new Error("half way");
        },
      };
      const { socket, closed } = recorder();
      expect(() => channel.receive(socket, "s", text(1), handler)).toThrow(
        "frame 1 could not be committed",
      );
      expect(closed).toEqual([1011]);
      fail = false;
      expect(channel.receive(recorder().socket, "s", text(1), handler)).toBe("committed");
      expect(storage.sql.exec("SELECT seq FROM kept").toArray()).toEqual([{ seq: 1 }]);
    });
  });

  it("tells a stale sender why, and commits nothing of it", async () => {
    await inObject((storage) => {
      const { socket, sent, closed } = recorder();
      const channel = make(storage);
      expect(
        channel.receive(socket, "s", text(1), {
          allow: () => ({ stale: "attempt 2" }),
          commit: () => {
            throw new Error("not reached");
          },
        }),
      ).toBe("stale");
      expect(sent).toMatchObject([{ ack: 0, body: { kind: "stale", reason: "attempt 2" } }]);
      expect(closed).toEqual([1008]);
    });
  });

  it("acknowledges many frames at once", async () => {
    await inObject((storage) => {
      const { socket, sent } = recorder();
      const channel = make(storage);
      for (let seq = 1; seq <= 64; seq += 1)
        channel.receive(socket, "s", text(seq), { commit: () => {} });
      expect(sent.map(({ ack }) => ack)).toEqual([32, 64]);
    });
  });
});
