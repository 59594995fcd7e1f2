import { createHash } from "node:crypto";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type AttemptClaims, withClaims } from "../../../src/bot/channel/index.ts";
import { objectName } from "../../../src/bot/objects/contracts.ts";
import { archiveKey } from "../../../src/bot/objects/log/archive.ts";
import { ATTEMPT_LOG_BYTES, DataReplyFrame, type LogPart } from "../../../src/protocol/data.ts";
import { env } from "../support/env.ts";

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
let attempts = 0;

function newLog() {
  attempts += 1;
  const claims: AttemptClaims = {
    host: env.GITHUB_HOST,
    account: 1,
    installation: 2,
    repository: 3,
    run: "3-1",
    job: "3-1.0",
    attempt: attempts,
    runner: "r1",
    key: "",
    expiresAt: Date.now() + 60_000,
  };
  return {
    claims,
    log: env.LOG.getByName(objectName.log(claims.host, claims.job, claims.attempt)),
  };
}

async function connect({ claims, log }: ReturnType<typeof newLog>) {
  const { webSocket } = await log.fetch(withClaims("https://worker/runner/log", claims));
  if (webSocket === null) throw new Error("no socket");
  let acked = -1;
  const closed = new Promise<number>((resolve) =>
    webSocket.addEventListener("close", ({ code }) => resolve(code)),
  );
  webSocket.addEventListener("message", ({ data }) => {
    acked = DataReplyFrame.parse(JSON.parse(String(data))).ack;
  });
  webSocket.accept();
  return {
    closed,
    send: (seq: number, ...parts: LogPart[]) =>
      webSocket.send(
        JSON.stringify({
          v: 1,
          seq,
          ack: 0,
          job: claims.job,
          attempt: claims.attempt,
          sig: null,
          body: { kind: "parts", parts },
        }),
      ),
    until: (seq: number) => vi.waitUntil(() => acked >= seq, { timeout: 10_000, interval: 2 }),
  };
}

const chunk = (offset: number, data: Uint8Array, stream = "job"): LogPart => ({
  kind: "chunk",
  stream,
  offset,
  data: Buffer.from(data).toString("base64"),
});
const close = (data: Uint8Array, stream = "job"): LogPart => ({
  kind: "close",
  stream,
  size: data.length,
  sha256: sha256(data),
  dropped: 0,
});
const packs = async (attempt: number) =>
  (await env.BLOBS.list({ prefix: archiveKey("3-1.0", attempt, 0).slice(0, -1) })).objects.length;
const later = (ms: number) => {
  const at = Date.now() + ms;
  vi.spyOn(Date, "now").mockReturnValue(at);
};
afterEach(() => {
  vi.restoreAllMocks();
});

describe("a log", () => {
  it("is read while it grows, then from the archive, byte for byte and from any offset", async () => {
    const made = newLog();
    const socket = await connect(made);
    const whole = new Uint8Array(300_000).map((_, index) => (index * 31 + (index >> 8)) % 251);
    for (let index = 0; index < 5; index += 1)
      socket.send(
        index + 1,
        chunk(index * 60_000, whole.subarray(index * 60_000, (index + 1) * 60_000)),
      );
    // Sent again after a lost answer: no second copy.
    socket.send(2, chunk(60_000, whole.subarray(60_000, 120_000)));
    await socket.until(5);
    const readAll = async () => {
      const parts: Uint8Array[] = [];
      for (let offset = 0; offset < whole.length;) {
        const slice = await made.log.read("job", offset);
        if (slice === null || slice.data.byteLength === 0) break;
        parts.push(slice.data);
        offset = slice.next;
      }
      return sha256(Buffer.concat(parts));
    };
    expect(await readAll()).toBe(sha256(whole));
    expect((await made.log.read("job", 0))?.closed).toBeNull();
    expect(await made.log.read("nothing", 0)).toBeNull();
    socket.send(6, close(whole));
    await socket.until(6);
    expect(await made.log.streams()).toEqual([{ stream: "job", size: whole.length, closed: true }]);
    await runDurableObjectAlarm(made.log);
    expect(await env.BLOBS.head(archiveKey("3-1.0", made.claims.attempt, 1))).not.toBeNull();
    expect(await readAll()).toBe(sha256(whole));
    const middle = await made.log.read("job", 123_456);
    expect(sha256(middle?.data ?? new Uint8Array())).toBe(sha256(whole.subarray(123_456)));
    expect(middle?.closed).toEqual({ size: whole.length, sha256: sha256(whole), dropped: 0 });
  });

  it("is not archived when its bytes are not those that were hashed", async () => {
    const made = newLog();
    const socket = await connect(made);
    socket.send(1, chunk(0, new Uint8Array([1, 2, 3])));
    socket.send(2, { kind: "close", stream: "job", size: 3, sha256: "0".repeat(64), dropped: 0 });
    await socket.until(2);
    await runDurableObjectAlarm(made.log);
    expect(await env.BLOBS.head(archiveKey("3-1.0", made.claims.attempt, 1))).toBeNull();
    expect((await made.log.read("job", 0))?.data).toEqual(new Uint8Array([1, 2, 3]));
  });

  it("takes no more of an attempt that sends twice what a runner may", async () => {
    const made = newLog();
    const socket = await connect(made);
    // What is there of others leaves room for the row of one more stream, and for ten bytes.
    await runInDurableObject(made.log, (_object, { storage }) => {
      storage.sql.exec(
        "INSERT INTO stream (stream, size, sha256, dropped) VALUES ('other', ?, '', 0)",
        2 * ATTEMPT_LOG_BYTES - 2 * 256 - 10,
      );
    });
    socket.send(1, chunk(0, new Uint8Array(9)));
    socket.send(2, chunk(9, new Uint8Array(9)));
    await socket.until(2);
    socket.send(3, chunk(18, new Uint8Array(1)));
    expect(await socket.closed).toBe(1008);
    expect((await made.log.read("job", 0))?.next).toBe(18);
    const again = await connect(made);
    again.send(3, chunk(18, new Uint8Array(1)));
    expect(await again.closed).toBe(1008);
  });

  it("closes on a gap, and says after the reconnection what it has", async () => {
    const made = newLog();
    const first = await connect(made);
    first.send(1, chunk(0, new Uint8Array([1])));
    first.send(3, chunk(2, new Uint8Array([3])));
    expect(await first.closed).toBe(4000);
    const second = await connect(made);
    await second.until(1);
    second.send(2, chunk(1, new Uint8Array([2])));
    second.send(3, chunk(2, new Uint8Array([3])));
    await second.until(3);
    expect((await made.log.read("job", 0))?.data).toEqual(new Uint8Array([1, 2, 3]));
  });

  it("of ten thousand small streams is a few frames and a few packs, each stream read as it was", async () => {
    const made = newLog();
    const socket = await connect(made);
    const text = (index: number) => new TextEncoder().encode(`output of ${index}\n`);
    const name = (index: number) => `${"0".repeat(32)}-a${index}.drv`;
    const count = 10_000;
    let seq = 0;
    const before = performance.now();
    for (let from = 0; from < count; from += 256) {
      seq += 1;
      socket.send(
        seq,
        ...Array.from({ length: Math.min(256, count - from) }, (_, at) => from + at).flatMap(
          (index) => [chunk(0, text(index), name(index)), close(text(index), name(index))],
        ),
      );
    }
    await socket.until(seq);
    const took = performance.now() - before;
    expect(await made.log.streams()).toHaveLength(count);
    await runDurableObjectAlarm(made.log);
    // The alarm did its part, and set itself again for the rest.
    await vi.waitUntil(async () => (await packs(made.claims.attempt)) === 5, { timeout: 20_000 });
    const stillHere = async () =>
      await runInDurableObject(made.log, (_, { storage }) =>
        storage.sql.exec<{ rows: number }>("SELECT count(*) AS rows FROM chunk").one(),
      );
    await vi.waitUntil(async () => (await stillHere()).rows === 0, { timeout: 20_000 });
    for (const index of [0, 1_999, 2_000, 9_999])
      expect((await made.log.read(name(index), 0))?.data).toEqual(text(index));
    // Far below what a slow machine needs; quadratic work takes minutes.
    expect(took).toBeLessThan(30_000);
  });

  it("is archived while it goes on, when what is closed fills a pack", async () => {
    const made = newLog();
    const socket = await connect(made);
    const mib = new Uint8Array(60_000).fill(66);
    const whole = Buffer.concat(Array.from({ length: 75 }, () => mib));
    for (let index = 0; index < 75; index += 1)
      socket.send(index + 1, chunk(index * mib.length, mib, "large"));
    socket.send(76, close(whole, "large"), chunk(0, mib, "open"));
    await socket.until(76);
    await runDurableObjectAlarm(made.log);
    expect(await packs(made.claims.attempt)).toBe(1);
    socket.send(77, chunk(mib.length, mib, "open"));
    await socket.until(77);
    expect((await made.log.read("open", mib.length))?.data).toEqual(mib);
    expect((await made.log.read("large", whole.length - 5))?.data).toEqual(mib.subarray(0, 5));
  });

  it("is archived when R2 is there again", async () => {
    const made = newLog();
    const socket = await connect(made);
    const data = new Uint8Array([1, 2, 3]);
    socket.send(1, chunk(0, data), close(data));
    await socket.until(1);
    const report = vi.spyOn(console, "error").mockReturnValue();
    const put = vi.fn<R2Bucket["put"]>().mockRejectedValueOnce(new Error("R2 is away"));
    await runInDurableObject(made.log, async (log) => {
      const real = (log as unknown as { env: typeof env }).env;
      put.mockImplementation((...args: Parameters<R2Bucket["put"]>) => real.BLOBS.put(...args));
      Object.defineProperty(log, "env", {
        value: { ...real, BLOBS: { put, get: real.BLOBS.get.bind(real.BLOBS) } },
      });
      await log.alarm();
    });
    expect(report).toHaveBeenCalledOnce();
    expect((await made.log.read("job", 0))?.data).toEqual(data);
    expect(await runDurableObjectAlarm(made.log)).toBe(true);
    expect(put).toHaveBeenCalledTimes(2);
    expect(await packs(made.claims.attempt)).toBe(1);
    expect((await made.log.read("job", 0))?.data).toEqual(data);
  });

  it("that nobody closes is closed and archived when its attempt cannot speak any more", async () => {
    const made = newLog();
    const socket = await connect(made);
    const data = new Uint8Array([1, 2, 3]);
    socket.send(1, chunk(0, data));
    await socket.until(1);
    later(24 * 60 * 60_000);
    await runDurableObjectAlarm(made.log);
    expect((await made.log.read("job", 0))?.closed).toBeNull();
    later(2 * 60 * 60_000);
    await runDurableObjectAlarm(made.log);
    expect((await made.log.read("job", 0))?.closed).toEqual({
      size: 3,
      sha256: sha256(data),
      dropped: 0,
    });
    expect(await packs(made.claims.attempt)).toBe(1);
  });

  it("refuses a frame as a whole when one part does not continue its stream", async () => {
    const made = newLog();
    const socket = await connect(made);
    const report = vi.spyOn(console, "error").mockReturnValue();
    socket.send(1, chunk(0, new Uint8Array([1])), chunk(7, new Uint8Array([2]), "other"));
    expect(await socket.closed).toBe(1011);
    expect(await made.log.streams()).toEqual([]);
    report.mockRestore();
  });

  it("takes nothing from another attempt's token", async () => {
    const { log, claims } = newLog();
    expect(
      (await log.fetch(withClaims("https://worker/runner/log", { ...claims, attempt: 999 })))
        .status,
    ).toBe(403);
  });
});
