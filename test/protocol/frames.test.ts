import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FleetFrame, RunnerFrame } from "../../src/protocol/control.ts";
import { DataReplyFrame, LogFrame, RunFrame } from "../../src/protocol/data.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";
import { bodies } from "./frames.ts";

const schemas = {
  runner: RunnerFrame,
  fleet: FleetFrame,
  run: RunFrame,
  log: LogFrame,
  reply: DataReplyFrame,
};
type Side = keyof typeof schemas;
const sides = Object.keys(schemas) as Side[];
const samples = join(import.meta.dirname, "samples");

const frames = sides.flatMap((side) =>
  Object.entries(bodies[side]).map(([kind, body]) => ({
    side,
    kind,
    frame: { v: PROTOCOL_VERSION, seq: 7, ack: 3, job: "11-1.0", attempt: 1, sig: null, body },
  })),
);

/**
 * `samples/<version>.json` is frozen: what a released peer may send stays readable. A sample that no longer decodes asks
 * for a new protocol version and a new file, never for an edit.
 */
describe("frozen samples", () => {
  it.each(readdirSync(samples))("%s decode, and mean what they say", (file) => {
    const known = JSON.parse(readFileSync(join(samples, file), "utf8")) as {
      side: Side;
      frame: unknown;
    }[];
    for (const { side, frame } of known) expect(schemas[side].parse(frame)).toEqual(frame);
  });

  it("of this version hold every kind of frame", () => {
    const known = JSON.parse(readFileSync(join(samples, `${PROTOCOL_VERSION}.json`), "utf8")) as {
      side: Side;
      kind: string;
    }[];
    expect(known.map(({ side, kind }) => `${side}/${kind}`)).toEqual(
      frames.map(({ side, kind }) => `${side}/${kind}`),
    );
  });
});

describe("hostile input", () => {
  it("is refused as data, never by a throw, and never lets an unknown field through", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...frames),
        fc.string({ maxLength: 12 }),
        fc.jsonValue({ maxDepth: 2 }),
        fc.boolean(),
        ({ side, frame }, key, value, inBody) => {
          const whole: Record<string, unknown> = structuredClone(frame);
          const target = inBody ? (whole.body as Record<string, unknown>) : whole;
          const known = Object.hasOwn(target, key);
          Object.defineProperty(target, key, { value, enumerable: true, configurable: true });
          const parsed = schemas[side].safeParse(whole);
          expect(typeof parsed.success).toBe("boolean");
          if (!known) expect(parsed.success).toBe(false);
        },
      ),
      { numRuns: 2_000, seed: 3 },
    );
  });

  it.each([
    ["runner", "finished", { digest: "short" }],
    ["runner", "hello", { slots: 0 }],
    ["log", "parts", { parts: [] }],
    ["log", "parts", { parts: [{ ...bodies.log.parts.parts[0], stream: "../etc/passwd" }] }],
    ["log", "parts", { parts: [{ ...bodies.log.parts.parts[0], stream: ".." }] }],
    ["log", "parts", { parts: [{ ...bodies.log.parts.parts[0], offset: -1 }] }],
    ["log", "parts", { parts: [{ ...bodies.log.parts.parts[0], data: "not base64!" }] }],
    ["log", "parts", { parts: Array.from({ length: 513 }, () => bodies.log.parts.parts[0]) }],
    [
      "run",
      "attributes",
      { attributes: Array.from({ length: 201 }, () => bodies.run.attributes.attributes[0]) },
    ],
  ] as const)("%s/%s with a bad field is refused: %o", (side, kind, change) => {
    const found = frames.find((each) => each.side === side && each.kind === kind);
    expect(
      schemas[side].safeParse({ ...found?.frame, body: { ...found?.frame.body, ...change } })
        .success,
    ).toBe(false);
  });
});
