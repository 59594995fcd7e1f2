import type { FromRunner, ToRunner } from "../../src/protocol/control.ts";
import type { DataReply, ToLog, ToRun } from "../../src/protocol/data.ts";

const machine = { name: "a", hostKey: `SHA256:${"a".repeat(43)}` };
const path = `/nix/store/${"0".repeat(32)}-a`;

/** One of each frame's body, by the side it goes to. Kinds that are missing here are type errors. */
export const bodies = {
  runner: {
    hello: {
      kind: "hello",
      agent: "0.1.0",
      stream: "5b9d7c6e-4f8a-4b6e-9c3d-2a1b0c9d8e7f",
      systems: ["x86_64-linux"],
      features: ["kvm"],
      targets: [{ ...machine, repositories: [11] }],
      slots: 2,
      running: [{ job: "11-1.0", attempt: 1 }],
    },
    accept: { kind: "accept" },
    decline: { kind: "decline", reason: "disk" },
    refused: {
      kind: "refused",
      refusal: "signature",
      reason: "no pinned key signed the specification",
      digest: "b".repeat(64),
    },
    started: { kind: "started" },
    renew: { kind: "renew", attempts: [{ job: "11-1.0", attempt: 1 }] },
    finished: {
      kind: "finished",
      verdict: { kind: "failed", drv: `${path}.drv`, exitCode: 1, logTail: "x" },
      digest: "a".repeat(64),
    },
    drain: { kind: "drain" },
    targets: { kind: "targets", targets: [{ ...machine, repositories: [11] }] },
  } satisfies { [Kind in FromRunner["kind"]]: Extract<FromRunner, { kind: Kind }> },
  fleet: {
    welcome: { kind: "welcome", runner: "r1", pool: "trusted" },
    offer: { kind: "offer", specification: "{}", signature: "c2ln", token: "t" },
    cancel: { kind: "cancel", reason: "a person" },
    forget: { kind: "forget", reason: "attempt 2 was offered" },
    ack: { kind: "ack" },
    "branch-gone": { kind: "branch-gone", repository: 11, ref: "refs/heads/topic" },
  } satisfies { [Kind in ToRunner["kind"]]: Extract<ToRunner, { kind: Kind }> },
  run: {
    attributes: {
      kind: "attributes",
      attributes: [
        {
          selection: 0,
          path: ["packages", "x86_64-linux", "a.b"],
          system: "x86_64-linux",
          result: {
            kind: "derivation",
            derivation: {
              path: `${path}.drv`,
              name: "a",
              system: "x86_64-linux",
              outputs: { out: path },
              features: [],
            },
          },
          seconds: 0.5,
        },
        {
          selection: 0,
          path: ["checks"],
          system: null,
          result: {
            kind: "error",
            message: "no",
            position: { file: "flake.nix", line: 1, column: null },
          },
          seconds: null,
        },
      ],
    },
    results: {
      kind: "results",
      results: [
        {
          selection: 0,
          path: ["a"],
          drv: `${path}.drv`,
          verdict: { kind: "succeeded", reused: true },
          seconds: 0,
          log: null,
        },
      ],
    },
    evaluated: {
      kind: "evaluated",
      evaluator: "nix-eval-jobs",
      degraded: null,
      seconds: 1.5,
      peakBytes: 1,
      warnings: [],
      missing: ["a"],
    },
    claim: { kind: "claim", claim: 3, drvs: [`${path}.drv`] },
    release: { kind: "release", claim: 3 },
    failed: {
      kind: "failed",
      failures: [
        {
          drv: `${path}.drv`,
          verdict: { kind: "failed", drv: `${path}.drv`, exitCode: 1, logTail: "x" },
        },
      ],
    },
    needs: {
      kind: "needs",
      exchange: true,
      needed: [
        {
          drv: `${path}.drv`,
          name: "a",
          system: "aarch64-linux",
          features: [],
          missing: ["system aarch64-linux"],
        },
      ],
      goals: [{ drv: `${path}.drv`, needs: [`${path}.drv`] }],
    },
    impact: {
      kind: "impact",
      difference: {
        before: `${path}.drv`,
        after: `${path}.drv`,
        derivation: {
          kind: "known",
          changed: 1,
          added: 1,
          removed: 0,
          inputs: [{ before: null, after: "b-1.0" }],
          origins: [{ before: "a", after: "a", differs: ["variable x"] }],
          bounded: false,
        },
        closure: {
          kind: "known",
          before: { paths: 1, bytes: 120 },
          after: { paths: 2, bytes: 240 },
          added: 1,
          removed: 0,
          changed: 0,
          packages: [{ name: "b", before: [], after: ["1.0"], bytes: 120 }],
        },
      },
    },
    planned: {
      kind: "planned",
      plan: {
        machine: "a",
        manifest: {
          digest: "c".repeat(64),
          system: path,
          paths: 1,
          narBytes: 120,
          signature: `${"A".repeat(86)}==`,
          builder: "key",
        },
        running: null,
        closure: { kind: "unknown", why: "it was never observed" },
        units: { kind: "unknown", why: "it was never observed" },
        reboot: null,
        warnings: [{ rule: "migration", message: "x" }],
      },
    },
    observed: {
      kind: "observed",
      machine,
      result: {
        kind: "observation",
        observation: {
          at: 1,
          system: path,
          booted: path,
          profile: { number: 1, system: path, at: 1 },
          generations: [{ number: 1, system: path, at: 1 }],
          failedUnits: ["a.service"],
          nix: { freeBytes: 1, freeInodes: 1 },
          boot: null,
          counter: 0,
          unfinished: { counter: 1, step: "copy", since: 1 },
          updaters: [],
          bootId: "x",
        },
      },
    },
    step: { kind: "step", machine: "a", step: "activate" },
    deployed: {
      kind: "deployed",
      machine: "a",
      outcome: { kind: "active", system: path, generation: 2, notices: [], running: path },
    },
  } satisfies { [Kind in ToRun["kind"]]: Extract<ToRun, { kind: Kind }> },
  log: {
    parts: {
      kind: "parts",
      parts: [
        { kind: "chunk", stream: "job", offset: 0, data: "aGVsbG8=" },
        { kind: "close", stream: "job", size: 5, sha256: "b".repeat(64), dropped: 0 },
      ],
    },
  } satisfies { [Kind in ToLog["kind"]]: Extract<ToLog, { kind: Kind }> },
  reply: {
    ack: { kind: "ack" },
    stale: { kind: "stale", reason: "attempt 2 was offered" },
    claimed: { kind: "claimed", claim: 3, held: [`${path}.drv`], failed: [] },
    freed: { kind: "freed", drvs: [`${path}.drv`] },
  } satisfies { [Kind in DataReply["kind"]]: Extract<DataReply, { kind: Kind }> },
};
