import { createHash } from "node:crypto";
import { runDurableObjectAlarm } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { type AttemptClaims, withClaims } from "../../../src/bot/channel/index.ts";
import { objectName } from "../../../src/bot/objects/contracts.ts";
import { archiveKey } from "../../../src/bot/objects/log/archive.ts";
import { DataReplyFrame, type ToLog } from "../../../src/protocol/data.ts";
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
    send: (seq: number, body: ToLog) =>
      webSocket.send(
        JSON.stringify({
          v: 1,
          seq,
          ack: 0,
          job: claims.job,
          attempt: claims.attempt,
          sig: null,
          body,
        }),
      ),
    until: (seq: number) => vi.waitUntil(() => acked >= seq, { timeout: 10_000, interval: 2 }),
  };
}

const chunk = (offset: number, data: Uint8Array): ToLog => ({
  kind: "chunk",
  stream: "job",
  offset,
  data: Buffer.from(data).toString("base64"),
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
    socket.send(6, {
      kind: "close",
      stream: "job",
      size: whole.length,
      sha256: sha256(whole),
      dropped: 0,
    });
    await socket.until(6);
    expect(await made.log.streams()).toEqual([{ stream: "job", size: whole.length, closed: true }]);
    await runDurableObjectAlarm(made.log);
    expect(await env.BLOBS.head(archiveKey("3-1.0", made.claims.attempt, "job"))).not.toBeNull();
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
    expect(await env.BLOBS.head(archiveKey("3-1.0", made.claims.attempt, "job"))).toBeNull();
    expect((await made.log.read("job", 0))?.data).toEqual(new Uint8Array([1, 2, 3]));
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

  it("takes nothing from another attempt's token", async () => {
    const { log, claims } = newLog();
    expect(
      (await log.fetch(withClaims("https://worker/runner/log", { ...claims, attempt: 999 })))
        .status,
    ).toBe(403);
  });
});
