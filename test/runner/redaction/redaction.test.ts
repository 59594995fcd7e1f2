import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Redaction } from "../../../src/runner/redaction/index.ts";
import { ENCODINGS } from "../../../src/runner/redaction/encodings.ts";

/** `SNOWCAT_FUZZ` multiplies the cases: 500 for the million that the numbers ask for. */
const CASES = 2_000 * Number(process.env.SNOWCAT_FUZZ ?? 1);
/** No window of an encoded secret this long may come out: what is left at base64's borders is shorter. */
const WINDOW = 8;

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

function stream(secrets: readonly string[], parts: readonly Buffer[]): string {
  const redaction = new Redaction();
  for (const secret of secrets) redaction.secret(secret);
  const filter = redaction.stream();
  return [...parts.map((part) => filter.push(part)), filter.end()].map(latin1).join("");
}

/** Deterministic text that shares no window with a secret. */
function noise(seed: number, length: number): Buffer {
  const digest = createHash("sha256")
    .update(`noise ${seed}`)
    .digest("hex")
    .repeat(4)
    .replaceAll(/[0-9a-f]/gu, (digit) => ".,;()[]#!@~<>|_"[Number.parseInt(digit, 16)] ?? " ");
  return Buffer.from(digest.slice(0, length));
}

/** A long token such as GitHub hands out since 2026: `ghs_<app>_<jwt>`, about 520 characters, under another prefix so that its shape gives nothing away. */
const jwt = fc.integer({ min: 0, max: 1e9 }).map((seed) => {
  const random = (part: number) =>
    createHash("sha512").update(`${seed} ${part}`).digest("base64url");
  return `tok_${seed}_${Array.from({ length: 6 }, (_, part) => random(part)).join(".")}`;
});
const secretText = fc.oneof(
  { weight: 2, arbitrary: jwt },
  {
    weight: 3,
    arbitrary: fc
      .string({
        minLength: 12,
        maxLength: 60,
        unit: fc.constantFrom(...Array.from("abcXYZ019+/=\"\\&?% ü€'\t$")),
      })
      .filter((text) => new Set(text.slice(0, 12)).size > 7 && text.trim().length > 11),
  },
);

function cut(text: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => place % (text.length + 1)))].toSorted(
    (a, b) => a - b,
  );
  return [0, ...places].map((from, index) => text.subarray(from, places[index] ?? text.length));
}

describe("a known secret", () => {
  it.each(ENCODINGS.map(({ name, encode }) => [name, encode] as const))(
    "as %s never comes out, however it is cut and wherever its lines break",
    (_name, encode) => {
      fc.assert(
        fc.property(
          secretText,
          fc.nat(1e6),
          fc.array(fc.nat(5_000), { maxLength: 12 }),
          fc.nat(200),
          fc.option(fc.integer({ min: 8, max: 76 })),
          (secret, seed, at, before, wrap) => {
            const spelled = encode(Buffer.from(secret));
            const needle = spelled.replaceAll(/[\r\n]/gu, "");
            const written =
              wrap === null ? needle : needle.replaceAll(new RegExp(`.{${wrap}}`, "gsu"), "$&\n");
            const text = Buffer.concat([
              noise(seed, before),
              Buffer.from(written, "latin1"),
              noise(seed + 1, 40),
            ]);
            const out = stream([secret], cut(text, at)).replaceAll(/[\r\n]/gu, "");
            const windows = Array.from(
              { length: Math.max(0, needle.length - WINDOW + 1) },
              (_each, from) => needle.slice(from, from + WINDOW),
            );
            expect(windows.filter((window) => out.includes(window))).toEqual([]);
          },
        ),
        { numRuns: Math.ceil(CASES / ENCODINGS.length), seed: 7 },
      );
    },
  );

  it("inside base64 of a longer text never comes out at any of the three alignments", () => {
    fc.assert(
      fc.property(
        jwt,
        fc.nat(50),
        fc.nat(50),
        fc.boolean(),
        fc.array(fc.nat(2_000), { maxLength: 6 }),
        (secret, before, after, url, at) => {
          const whole = Buffer.concat([noise(1, before), Buffer.from(secret), noise(2, after)]);
          const encoded = whole.toString(url ? "base64url" : "base64");
          const out = stream([secret], cut(Buffer.from(encoded), at));
          const decoded =
            Buffer.from(out.replaceAll("***", ""), "base64").toString("latin1") +
            Buffer.from(out.split("***").at(-1) ?? "", "base64").toString("latin1");
          for (let from = 0; from + WINDOW <= secret.length; from += 1)
            expect(decoded.includes(secret.slice(from, from + WINDOW))).toBe(false);
        },
      ),
      { numRuns: 200, seed: 7 },
    );
  });

  it("coloured, wrapped or both never comes out, wherever the control sequences are cut", () => {
    const between = fc.constantFrom(
      "\u001b[0m",
      "\u001b[1;31m",
      "\u001b[K",
      "\n",
      "\r\n\u001b[38;5;1m",
      "\u001b[?25l",
    );
    fc.assert(
      fc.property(
        secretText,
        fc.constantFrom(...ENCODINGS),
        fc.array(fc.tuple(fc.nat(2_000), between), { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(5_000), { maxLength: 12 }),
        (secret, { encode }, inserted, at) => {
          const needle = encode(Buffer.from(secret)).replaceAll(/[\r\n]/gu, "");
          let written = needle;
          for (const [place, text] of inserted.toSorted(
            ([a], [b]) => (b % needle.length) - (a % needle.length),
          )) {
            const from = place % needle.length;
            written = written.slice(0, from) + text + written.slice(from);
          }
          const whole = Buffer.concat([noise(3, 40), Buffer.from(written, "latin1"), noise(4, 40)]);
          const seen = stream([secret], cut(whole, at)).replaceAll(
            /[\r\n]|\u001b\[[0-?]*[@-~]/gu,
            "",
          );
          for (let from = 0; from + WINDOW <= needle.length; from += 1)
            expect(seen.includes(needle.slice(from, from + WINDOW))).toBe(false);
        },
      ),
      { numRuns: CASES / 4, seed: 7 },
    );
    const redaction = new Redaction();
    redaction.secret("hunter2-hunter2");
    expect(redaction.text("\u001b[31mhunter2\u001b[0m-hunter2\u001b[0m")).toBe(
      "\u001b[31m***\u001b[0m",
    );
  });

  it("that overlaps another one comes out in neither", () => {
    const out = stream(
      ["secret-one-and", "one-and-the-other"],
      [Buffer.from("a secret-one-"), Buffer.from("and-the-ot"), Buffer.from("her b")],
    );
    expect(out).not.toMatch(/secret|one|other/u);
    expect(out.startsWith("a ")).toBe(true);
    expect(out.endsWith(" b")).toBe(true);
  });
});

describe("other bytes", () => {
  it("come out as they went in, at any split, binary too", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (data, at) => {
          const text = Buffer.from(data);
          if (/gh|github|-----|:[A-Za-z0-9+/]{20}/u.test(text.toString("latin1"))) return;
          expect(stream(["a secret that is not in there"], cut(text, at))).toBe(
            text.toString("latin1"),
          );
        },
      ),
      { numRuns: CASES, seed: 7 },
    );
  });

  it("are not held back when nothing of a secret can begin in them", () => {
    const redaction = new Redaction();
    redaction.secret("correct horse battery staple");
    expect(latin1(redaction.stream().push(Buffer.from("building 12 of 40\n")))).toBe(
      "building 12 of 40\n",
    );
  });
});

describe("secrets of a known shape", () => {
  const body = "A1b2".repeat(130);
  it.each([
    ["a token of 520 characters", `ghs_${body}`],
    ["a token with a JWT", "ghs_123_eyJhbGciOi.eyJpc3Mi.c2ln-bmF0_dXJl"],
    ["a personal token", "ghp_0123456789abcdefghijABCDEFGHIJ012345"],
    ["a fine-grained token", "github_pat_11AAAAAAA0_abcdef"],
    [
      "a private key",
      "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNza\n-----END OPENSSH PRIVATE KEY-----",
    ],
    ["a Nix signing key", `cache-1:${"k".repeat(86)}==`],
  ])("%s is masked, byte by byte", (_name, secret) => {
    const parts = [...Buffer.from(`before ${secret} after\n`)].map((byte) => Buffer.from([byte]));
    const out = stream([], parts);
    expect(out.startsWith("before ")).toBe(true);
    expect(out.endsWith(" after\n")).toBe(true);
    expect(out).toContain("***");
    for (let from = 12; from + 12 <= secret.length; from += 1)
      expect(out.includes(secret.slice(from, from + 12))).toBe(false);
  });

  it("leaves public Nix keys and store paths alone", () => {
    const text = `cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY= /nix/store/${"0".repeat(32)}-a.drv\n`;
    expect(stream([], [Buffer.from(text)])).toBe(text);
  });
});

describe("values for the wire", () => {
  it("are masked in every string, keys and line breaks included", () => {
    const redaction = new Redaction();
    redaction.secret("hunter2-hunter2");
    expect(
      redaction.value({
        a: ["x hunter2-hunter2", 1, null],
        "hunter2-hunter2": { b: "hunter2-\nhunter2" },
      }),
    ).toEqual({ a: ["x ***", 1, null], "***": { b: "***" } });
  });

  it("are masked from the moment that they are secret, whatever was said of them before", () => {
    const redaction = new Redaction();
    const value = { "hunter2-hunter2": ["hunter2-hunter2"] };
    expect(redaction.value(value)).toEqual(value);
    redaction.secret("hunter2-hunter2");
    expect(redaction.value(value)).toEqual({ "***": ["***"] });
  });
});
