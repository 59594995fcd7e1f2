import { generateKeyPairSync } from "node:crypto";
import type { Attribute, AttributeResult } from "../../../src/protocol/attribute.ts";
import type { MachineDifference } from "../../../src/protocol/impact.ts";
import type { MachinePlan } from "../../../src/protocol/machine.ts";
import type { TreeSpecification } from "../../../src/protocol/specification.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";
import { systemClock } from "../../../src/runner/agent/clock.ts";
import type { Evaluated, Sink } from "../../../src/runner/agent/sink.ts";
import type { RunJob } from "../../../src/runner/agent/job.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { attester } from "../../../src/runner/provenance/attest.ts";
import { signClosure } from "../../../src/runner/provenance/closure.ts";
import { NO_CREDENTIALS } from "../../../src/runner/source/operator.ts";
import { aloneWith } from "./talk.ts";

/** The runner's. */
export const KEYS = generateKeyPairSync("ed25519");

export const LIMITS = {
  evaluationSeconds: 60,
  evaluationBytes: 2 ** 31,
  buildSeconds: 60,
  silentSeconds: 60,
};

export function specification(job: number, work: TreeSpecification["work"]): TreeSpecification {
  return {
    protocol: 1,
    host: "snowcat.example",
    account: 1,
    repository: { id: 7, owner: "o", name: "r", private: true },
    run: "7-1",
    job: `7-1.${job}`,
    attempt: 1,
    runner: "r1",
    pool: "trusted",
    policy: "0".repeat(64),
    issuedAt: 0,
    expiresAt: 1,
    work,
  };
}

export interface Performed {
  readonly verdict: Verdict;
  readonly attributes: Attribute[];
  readonly results: AttributeResult[];
  readonly evaluated: Evaluated | null;
  readonly impact: MachineDifference[];
  readonly plans: MachinePlan[];
  /** Texts by digest. */
  readonly manifests: ReadonlyMap<string, string>;
  /** The job's own. */
  readonly log: string;
}

/** Runs a job as the agent does, without a control plane. */
export async function perform(
  runJob: RunJob,
  isolation: Isolation,
  spec: TreeSpecification,
  token: string,
): Promise<Performed> {
  const attributes: Attribute[] = [];
  const results: AttributeResult[] = [];
  const impact: MachineDifference[] = [];
  const plans: MachinePlan[] = [];
  const manifests = new Map<string, string>();
  let evaluated: Evaluated | null = null;
  let log = "";
  const sink: Sink = {
    attributes: async (list) => void attributes.push(...list),
    results: async (list) => void results.push(...list),
    evaluated: async (summary) => void (evaluated = summary),
    impact: async (difference) => void impact.push(difference),
    machine: async (news) => void (news.kind === "planned" && plans.push(news.plan)),
    log: (stream) => ({
      write: async (bytes) => void (log += stream === "job" ? new TextDecoder().decode(bytes) : ""),
      close: async () => {},
    }),
  };
  const verdict = await runJob(spec, {
    isolation,
    sink,
    talk: aloneWith(),
    signal: new AbortController().signal,
    seal: () => true,
    refused: async () => {},
    mask: () => {},
    resumed: false,
    manifests: {
      put: async (digest, text) => void manifests.set(digest, text),
      get: async (digest) => manifests.get(digest) ?? "",
    },
    attestClosure: (machine, system, paths) =>
      signClosure(
        KEYS.privateKey,
        { host: spec.host, repository: spec.repository.id, sha: spec.work.source.sha, machine },
        system,
        paths,
      ),
    cloneToken: async () => token,
    inputToken: async () => ({ token: null, expiresAt: 0, repositories: [], refused: [] }),
    credentials: NO_CREDENTIALS,
    clock: systemClock,
    attest: attester(
      KEYS.privateKey,
      { host: spec.host, repository: spec.repository.id, sha: spec.work.source.sha },
      (value) => value,
    ),
  });
  return { verdict, attributes, results, evaluated, impact, plans, manifests, log };
}
