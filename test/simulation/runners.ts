import { generateKeyPairSync, sign } from "node:crypto";
import { provenanceText } from "../../src/protocol/provenance.ts";
import type { Clock } from "./platform/clock.ts";
import type { Platform, Shell } from "./platform/objects.ts";
import type { Random } from "./platform/random.ts";
import { hash, type Truth } from "./github/truth.ts";

const SYSTEM = "x86_64-linux";
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const KEY = Buffer.from(String(publicKey.export({ format: "jwk" })["x"]), "base64url").toString(
  "base64",
);

type Target = { selection: number; path: string[]; drv: string };
type Job = {
  job: string;
  run: string;
  installation: number;
  repository: { id: number };
  work:
    | { kind: "evaluate"; source: { sha: string; tree: string } }
    | { kind: "build"; source: { sha: string; tree: string }; derivations: Target[] };
};
type Held = Job & { cancelled: boolean };
type Verdict = Record<string, unknown> & { kind: string };

/** What a derivation of a commit is named after: a commit with the same tree has the same. */
function drv(tree: string, name: string): string {
  const digest = hash("drv", tree, name).slice(0, 32).replaceAll("e", "g").replaceAll("f", "h");
  return `/nix/store/${digest}-${name}.drv`;
}

/**
 * The account's runners and what hands work to them, in place of Fleet and agents (which the other simulation plays):
 * jobs are evaluated and built as the commits are, attempts are lost now and then, words are said again until heard.
 */
export class Runners {
  readonly jobs = new Map<string, Held>();
  /** How often an attempt is lost half-way. */
  losses = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #truth: Truth;
  readonly #host: string;
  platform: Platform | null = null;
  /** Runs whose object lost everything: nobody hears of them any more. */
  readonly lostRuns = new Set<string>();

  constructor(clock: Clock, random: Random, truth: Truth, host: string) {
    this.#clock = clock;
    this.#random = random;
    this.#truth = truth;
    this.#host = host;
  }

  /** The class to bind as FLEET. What it keeps is outside of it: this Fleet forgets nothing. */
  fleet(): new () => Shell {
    const { jobs } = this;
    const begin = (job: Held) =>
      this.#clock.after(this.#random.pause(1_500), () => void this.#work(job));
    return class {
      [method: string]: (...args: never[]) => unknown;
      async wake() {
        return { version: 1 };
      }
      async alarm() {}
      async classes() {
        return [
          {
            class: "default",
            pool: "trusted",
            systems: [SYSTEM],
            features: [],
            evaluators: ["nix-eval-jobs"],
            online: 1,
            repositories: null,
          },
        ];
      }
      /** Nobody deploys here. */
      async machines() {
        return [];
      }
      async enqueue(_account: number, job: Job) {
        if (jobs.has(job.job)) return { outcome: "known" };
        const held = { ...job, cancelled: false };
        jobs.set(job.job, held);
        begin(held);
        return { outcome: "queued" };
      }
      async cancel(job: string) {
        const held = jobs.get(job);
        if (held !== undefined) held.cancelled = true;
      }
      async reach(_account: number, _of: object, wanted: object[]) {
        return wanted.map(() => ({ anybody: null, partners: null }));
      }
      async branchGone() {}
    };
  }

  async #work(job: Held): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#tell(job, "offered", [job.job, attempt, "r1", null]);
      await this.#tell(job, "started", [job.job, attempt, "r1"]);
      await this.#clock.wait(this.#random.pause(3_000));
      const last = this.#random.chance(this.losses);
      const frames = job.cancelled ? [] : this.#frames(job);
      const said = await this.#say(job, attempt, last ? frames.slice(0, 1) : frames);
      if (last) {
        // Nothing is heard of it any more; the lease ends and the next attempt begins.
        await this.#clock.wait(60_000);
        continue;
      }
      const verdict: Verdict = job.cancelled
        ? { kind: "cancelled", by: "the control plane" }
        : said === "stale"
          ? { kind: "cancelled", by: "the run" }
          : { kind: "succeeded", reused: false };
      const finished = [
        job.job,
        attempt,
        verdict,
        hash("digest", job.job, verdict.kind).padEnd(64, "0"),
      ];
      await this.#tell(job, "finished", finished);
      // Its answer may have been lost.
      if (this.#random.chance(0.05)) await this.#tell(job, "finished", finished);
      return;
    }
  }

  /** Tells the Run until it has answered. */
  async #tell(job: Job, method: string, args: unknown[]): Promise<void> {
    for (let pause = 500; !this.lostRuns.has(job.run); pause = Math.min(60_000, pause * 2)) {
      try {
        await this.#run(job).call(method, args);
        return;
      } catch {
        await this.#clock.wait(pause);
      }
    }
  }

  /** Sends frames in order, each again until it is committed. */
  async #say(job: Job, attempt: number, bodies: object[]): Promise<"heard" | "stale"> {
    const claims = {
      host: this.#host,
      account: this.#truth.owner.id,
      installation: job.installation,
      repository: job.repository.id,
      run: job.run,
      job: job.job,
      attempt,
      runner: "r1",
      key: KEY,
      expiresAt: this.#clock.now + 3_600_000,
    };
    for (const [index, body] of bodies.entries()) {
      const text = JSON.stringify({
        v: 1,
        seq: index + 1,
        ack: 0,
        job: null,
        attempt: null,
        sig: null,
        body,
      });
      for (;;) {
        if (this.lostRuns.has(job.run)) return "stale";
        const replies: string[] = [];
        const socket = {
          deserializeAttachment: () => ({ claims }),
          send: (reply: string) => void replies.push(reply),
          close: (_code: number, reason: string) => void replies.push(`closed: ${reason}`),
        };
        await this.#clock.wait(1 + this.#random.below(20));
        try {
          await this.#run(job).perform("webSocketMessage", [socket, text]);
        } catch {
          await this.#clock.wait(1_000);
          continue;
        }
        if (replies.some((reply) => reply.includes('"stale"'))) return "stale";
        const refused = replies.find((reply) => reply.startsWith("closed"));
        if (refused !== undefined) throw new Error(`${job.job} attempt ${attempt}: ${refused}`);
        // The answer was lost: said again, and nothing comes of it.
        if (!this.#random.chance(0.03)) break;
      }
    }
    return "heard";
  }

  #frames({ work, repository }: Job): object[] {
    const { tree, sha } = work.source;
    const { nature } = this.#truth.find(sha);
    if (work.kind === "evaluate") {
      const attribute = (name: string, result: object) => ({
        selection: 0,
        path: ["packages", SYSTEM, name],
        system: SYSTEM,
        seconds: 0.1,
        result,
      });
      const derivation = (name: string) => ({
        kind: "derivation",
        derivation: {
          path: drv(tree, name),
          name,
          system: SYSTEM,
          outputs: { out: null },
          features: [],
        },
      });
      const second =
        nature === "unevaluable"
          ? {
              kind: "error",
              message: "attribute 'x' missing",
              position: { file: "flake.nix", line: 3, column: 5 },
            }
          : derivation("b");
      return [
        {
          kind: "attributes",
          attributes: [attribute("a", derivation("a")), attribute("b", second)],
        },
        {
          kind: "evaluated",
          evaluator: "nix-eval-jobs",
          degraded: null,
          seconds: 1,
          peakBytes: null,
          warnings: [],
          missing: [],
        },
      ];
    }
    const results = work.derivations.map((target) => {
      const fails = nature === "broken" && target.path.at(-1) === "b";
      const about = { ...target, seconds: 1, log: null };
      if (fails)
        return {
          ...about,
          verdict: { kind: "failed", drv: target.drv, exitCode: 2, logTail: "no" },
        };
      return {
        ...about,
        verdict: { kind: "succeeded", reused: false },
        attestation: attest(this.#host, repository.id, sha, target),
      };
    });
    return results.length === 0 ? [] : [{ kind: "results", results }];
  }

  #run(job: Job) {
    if (this.platform === null) throw new Error("the runners have no platform to speak to");
    return this.platform.get("RUN", `${this.#host}/run/${job.run}`);
  }
}

function attest(host: string, repository: number, sha: string, { path, drv: of }: Target) {
  const outputs = [
    {
      name: "out",
      path: of.replace(/\.drv$/u, ""),
      narHash: `sha256-${"A".repeat(43)}=`,
      narSize: 120,
    },
  ];
  const text = provenanceText({ host, repository, sha, path, drv: of }, outputs);
  return { outputs, signature: sign(null, Buffer.from(text), privateKey).toString("base64") };
}
