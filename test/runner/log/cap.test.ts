import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Cap } from "../../../src/runner/log/cap.ts";

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

it("lets everything through up to head and tail together, at any split", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (parts) => {
      const whole = Buffer.concat(parts);
      const cap = new Cap({ head: 100, tail: 300 });
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
        const cap = new Cap({ head: 64, tail: 32 });
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
