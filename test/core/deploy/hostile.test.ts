import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  driftIssue,
  newRollout,
  objections,
  planSection,
  rolloutCheck,
  toolWords,
  type RolloutEvent,
  stepRollout,
} from "../../../src/core/deploy/index.ts";
import type { MachinePlan } from "../../../src/protocol/machine.ts";
import { driftOf } from "../../../src/core/deploy/drift.ts";
import { faults, hostile } from "../report/markdown.ts";
import { NEW, observation, OLD } from "./keeper.ts";

const url = "https://snowcat.example/runs/7-1";
const SHA = "a1b2c3d4e5".repeat(4);
/** The one place where a plan has HTML of its own. */
const OWN = new Set([
  "html: <details><summary>What changes in each machine</summary>",
  "html: </details>",
]);
const units = (name: string) => ({ count: 1, units: [name] });

describe("whatever machines, runners and configurations say", () => {
  it("is text in a plan, in a rollout's check and in an issue", () => {
    fc.assert(
      fc.property(hostile, hostile, (text, other) => {
        const plan: MachinePlan = {
          machine: "web1",
          manifest: {
            digest: "0".repeat(64),
            system: NEW,
            paths: 1,
            narBytes: 1,
            signature: "",
            builder: "",
          },
          running: OLD,
          closure: { kind: "unknown", why: text },
          units: {
            kind: "known",
            start: units(text),
            stop: units(other),
            restart: units(text),
            reload: units(other),
            left: units(text),
          },
          reboot: null,
          warnings: [{ rule: "migration", message: text }],
        };
        const section = planSection({
          sha: SHA,
          machines: [
            {
              machine: "web1",
              stage: text,
              method: "plain",
              plan,
              source: null,
              why: null,
              observedAt: null,
              updaters: [other],
              backup: true,
              inTheWay: objections({
                now: 0,
                purpose: "deploy",
                sha: SHA,
                policy: { freeze: text, required_checks: [{ name: other, app: 3 }] },
                machines: [{ name: text, hold: other, problems: [text] }],
                checks: [],
                required: [],
                ownApp: 1,
                holdsBase: false,
                onDefaultBranch: "not-asked",
                earlier: [{ machine: other, active: null }],
              }).map(({ why }) => why),
            },
            {
              machine: "csi1",
              stage: null,
              method: "script",
              plan: null,
              source: {
                tree: SHA,
                by: toolWords({ kind: "script", directory: ".", argv: [text, other] }),
                running: other,
              },
              why: null,
              observedAt: null,
              updaters: [],
              backup: false,
              inTheWay: [],
            },
            {
              machine: "db1",
              stage: null,
              method: "plain",
              plan: null,
              source: null,
              why: other,
              observedAt: null,
              updaters: [],
              backup: false,
              inTheWay: [],
            },
          ],
          inTheWay: [],
          command: null,
          now: 0,
          url,
        });
        expect(faults(section).filter((fault) => !OWN.has(fault))).toEqual([]);
        let slice = newRollout(
          [{ label: text, parallel: 2, maxFailures: 0, pauseSeconds: 0 }],
          ["web1", "db1"].map((machine) => ({ machine, stage: 0, system: NEW, before: OLD })),
          { onFailure: "stop", confirm: null },
        );
        const events: RolloutEvent[] = [
          { kind: "granted", machine: "web1", counter: 1 },
          { kind: "begun", machine: "web1", counter: 1 },
          { kind: "lost", machine: "web1", counter: 1, why: other },
          { kind: "refused", machine: "db1", refusal: { code: "held", why: other } },
          {
            kind: "ended",
            machine: "web1",
            counter: 1,
            outcome: { kind: "not-prepared", missing: [text, other], running: OLD },
          },
          { kind: "cancel", by: other },
        ];
        for (const event of events) {
          const { rollout, targets } = stepRollout(slice, event, 0);
          const changed = new Map(targets.map((target) => [target.machine, target]));
          slice = {
            ...slice,
            rollout,
            targets: slice.targets.map((target) => changed.get(target.machine) ?? target),
          };
          const check = rolloutCheck({
            ...slice,
            purpose: "deploy",
            sha: SHA,
            ref: other,
            by: text,
            plan: section,
            notices: [text, other],
            logs: new Map(),
            looks: new Map([["web1", { kind: "unseen", why: text }]]),
            seconds: 1,
            url,
          });
          expect(faults(check.summary)).toEqual([]);
          expect(check.title).not.toContain("\n");
        }
        const issue = driftIssue(
          driftOf({
            now: 1e12,
            machine: "web1",
            every: 1,
            observation: observation({
              failedUnits: [text],
              updaters: [other],
              unfinished: { counter: 1, step: text, since: 0 },
            }),
            unreachable: other,
            deployed: null,
            wanted: null,
            head: null,
          }),
          1,
          url,
        );
        expect(faults(issue?.body ?? "")).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
