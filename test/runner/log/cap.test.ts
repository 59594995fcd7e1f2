import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { LogBudget } from "../../../src/runner/log/budget.ts";
import { Cap } from "../../../src/runner/log/cap.ts";

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

it("lets everything through up to head and tail together, at any split", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (parts) => {
      const whole = Buffer.concat(parts);
      const cap = new Cap(new LogBudget(), { head: 100, tail: 300, least: 4 });
      const now = Buffer.concat(parts.map((part) => cap.push(part)));
      const { bytes, dropped } = cap.end();
      expect(dropped).toBe(0);
      expect(Buffer.concat([now, bytes]).equals(whole)).toBe(true);
    }),
    { seed: 5 },
  );
});

it("keeps head and tail of more, with the number of bytes between and the hash of the whole", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 20, maxLength: 90 }), { minLength: 8, maxLength: 30 }),
      (parts) => {
        const whole = Buffer.concat(parts);
        const cap = new Cap(new LogBudget(), { head: 64, tail: 32, least: 4 });
        const now = Buffer.concat(parts.map((part) => cap.push(part)));
        const { bytes, dropped } = cap.end();
        expect(now.equals(whole.subarray(0, 64))).toBe(true);
        expect(dropped).toBe(whole.length - 96);
        const marker = `\n[snowcat: ${dropped} bytes left out here; SHA-256 of the whole log: ${sha256(whole)}]\n`;
        expect(
          Buffer.from(bytes).equals(Buffer.concat([Buffer.from(marker), whole.subarray(-32)])),
        ).toBe(true);
      },
    ),
    { seed: 5 },
  );
});

it("streams together stay below the attempt's cap, but for the last bytes of each; what is left out is said", () => {
  const limits = { head: 64, tail: 32, least: 4 };
  const write = fc.tuple(fc.nat(9), fc.uint8Array({ maxLength: 60 }));
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), fc.nat(400), (writes, bytes) => {
      const budget = new LogBudget(bytes);
      const streams = Array.from({ length: 10 }, () => ({
        cap: new Cap(budget, limits),
        all: [] as Uint8Array[],
        sent: [] as Uint8Array[],
      }));
      for (const [n, part] of writes) {
        const { cap, all, sent } = streams[n]!;
        all.push(part);
        sent.push(cap.push(part));
      }
      let total = 0;
      for (const { cap, all, sent } of streams) {
        const whole = Buffer.concat(all);
        const head = Buffer.concat(sent);
        const { bytes: rest, dropped } = cap.end();
        expect(head.equals(whole.subarray(0, head.length))).toBe(true);
        const kept = whole.length - head.length - dropped;
        expect(Buffer.from(rest).subarray(rest.length - kept)).toEqual(
          whole.subarray(whole.length - kept),
        );
        expect(kept).toBeGreaterThanOrEqual(Math.min(limits.least, whole.length - head.length));
        if (dropped > 0)
          expect(Buffer.from(rest).toString("latin1")).toContain(
            `${dropped} bytes left out here; SHA-256 of the whole log: ${sha256(whole)}`,
          );
        else expect(Buffer.concat([head, rest]).equals(whole)).toBe(true);
        total += head.length + kept;
      }
      expect(total).toBeLessThanOrEqual(bytes + streams.length * limits.least);
    }),
    { seed: 5, numRuns: 300 },
  );
});
