import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  behind,
  CONCURRENCY,
  type Gate,
  LOOKUPS,
  openGate,
  opensAt,
  type Outcome,
  plan,
  recover,
  type Row,
  settle,
  wish,
} from "../../../src/core/writer/index.ts";

/** GitHub: creating twice makes two; a list shows a new one only after a while (ms). */
class Shown {
  readonly runs: { id: number; resource: string; version: number; since: number }[] = [];
  create(resource: string, version: number, now: number): number {
    // The same reaction again is the one that is there.
    const same = this.runs.find((run) => run.resource === resource);
    if (resource === "reaction" && same !== undefined) {
      same.version = version;
      return same.id;
    }
    this.runs.push({ id: this.runs.length + 1, resource, version, since: now });
    return this.runs.length;
  }
}
const LAG = LOOKUPS.reduce((sum, wait) => sum + wait, 0) - 1;

type Fate = "answered" | "lost" | "not-carried-out" | "limited" | "died";
const fate = fc.constantFrom<Fate>(
  "answered",
  "answered",
  "lost",
  "not-carried-out",
  "limited",
  "died",
);
const wishes = fc.record({
  resource: fc.constantFrom("a", "b", "c", "sticky", "reaction"),
  version: fc.integer({ min: 1, max: 6 }),
  terminal: fc.boolean(),
});

describe("what GitHub shows in the end", () => {
  it("is the newest wish, once for each resource, whatever is lost, repeated or out of order", () => {
    fc.assert(
      fc.property(
        fc.array(wishes, { minLength: 1, maxLength: 12 }),
        fc.array(fate, { maxLength: 40 }),
        fc.array(fc.nat({ max: 3 }), { maxLength: 60 }),
        (wanted, drawn, pace) => {
          const fates = [...drawn];
          const github = new Shown();
          const rows = new Map<string, Row>();
          const flying: { action: ReturnType<typeof plan>["actions"][number]; outcome: Outcome }[] =
            [];
          let gate: Gate = openGate(0);
          let now = 0;
          const left = [...wanted];
          const ask = () => {
            const next = left.shift();
            if (!next) return;
            const row = wish(
              rows.get(next.resource) ?? null,
              {
                ...next,
                kind:
                  next.resource === "sticky" || next.resource === "reaction"
                    ? next.resource
                    : "check",
                run: "1-1",
                place: next.resource,
                last: next.resource === "a",
                yields: false,
                succeeds: [],
                aggregate: next.resource === "a",
                annotations: 0,
              },
              now,
            );
            if (row) {
              // Newest wins, and what is completed is not taken back.
              expect(row.version).toBe(next.version);
              expect(rows.get(next.resource)?.terminal === true && !row.terminal).toBe(false);
              rows.set(next.resource, row);
            }
          };
          for (let turn = 0; turn < 3_000; turn += 1) {
            if (left.length > 0 && (pace[turn] ?? 0) === 0) ask();
            const planned = plan([...rows.values()], now, gate);
            gate = planned.gate;
            for (const action of planned.actions) {
              const row = rows.get(action.resource);
              if (!row || row.state === "sending") throw new Error("two requests for one resource");
              rows.set(action.resource, { ...row, state: "sending" });
              flying.push({
                action,
                outcome: carryOut(action, row, fates.shift() ?? "answered", github, now),
              });
            }
            expect(flying.length).toBeLessThanOrEqual(CONCURRENCY);
            // Answers come back in any order, some after further wishes.
            const [answer] = flying.splice((pace[turn] ?? 0) % Math.max(1, flying.length), 1);
            if (answer) {
              const row = rows.get(answer.action.resource);
              if (row)
                rows.set(
                  row.resource,
                  answer.outcome.kind === "refused"
                    ? recover(row, now)
                    : settle(row, answer.action, answer.outcome, now),
                );
            } else now = planned.wakeAt ?? now + 1;
            if (left.length === 0 && flying.length === 0 && ![...rows.values()].some(behind)) break;
          }
          for (const row of rows.values()) {
            const shown = github.runs.filter(({ resource }) => resource === row.resource);
            expect(
              { resource: row.resource, shown: shown.map(({ version }) => version) },
              JSON.stringify(row),
            ).toEqual({ resource: row.resource, shown: [row.version] });
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

/** `refused` stands for: the object died with the request on its way. */
function carryOut(
  action: { kind: string; resource: string; version: number },
  row: Row,
  fate: Fate,
  github: Shown,
  now: number,
): Outcome {
  if (action.kind === "lookup") {
    if (fate === "lost" || fate === "not-carried-out") return { kind: "unknown" };
    if (fate === "limited") return { kind: "limited" };
    const found = github.runs.find(
      ({ resource, since }) => resource === row.resource && now - since >= LAG / 2,
    );
    return found ? { kind: "found", shownId: found.id, annotated: 0 } : { kind: "absent" };
  }
  if (fate === "limited") return { kind: "limited" };
  if (fate === "not-carried-out") return { kind: "unknown" };
  let id = row.shownId;
  if (id === null) id = github.create(action.resource, action.version, now);
  const run = github.runs[id - 1];
  if (run) run.version = action.version;
  if (fate === "lost") return { kind: "unknown" };
  return fate === "died" ? { kind: "refused" } : { kind: "shown", shownId: id, annotated: 0 };
}

describe("what may go out", () => {
  const gate: Gate = { pausedUntil: 0, remaining: null, resetAt: 0, tokens: 10, filledAt: 0 };
  it("keeps a part of each budget for aggregates", () => {
    expect(opensAt(gate, true, true, 0)).toBe(0);
    expect(opensAt(gate, false, true, 0)).toBe(750);
    expect(opensAt({ ...gate, remaining: 100, resetAt: 9_000 }, true, false, 1)).toBe(0);
    expect(opensAt({ ...gate, remaining: 100, resetAt: 9_000 }, false, false, 1)).toBe(9_000);
    expect(opensAt({ ...gate, pausedUntil: 500 }, true, false, 0)).toBe(500);
  });
});
