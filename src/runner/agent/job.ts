import type { Specification } from "../../protocol/specification.ts";
import type { Refusal } from "../../protocol/control.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { InputToken } from "../../protocol/enrolment.ts";
import type { Isolation } from "../isolation/index.ts";
import type { OperatorCredentials } from "../source/operator.ts";
import type { Attest } from "../provenance/attest.ts";
import type { AttestClosure } from "../provenance/closure.ts";
import type { Clock } from "./clock.ts";
import type { Manifests } from "./manifests.ts";
import type { RunTalk } from "./run-talk.ts";
import type { Sink } from "./sink.ts";

/** What a job has to work with. */
export type JobContext = {
  isolation: Isolation;
  sink: Sink;
  talk: RunTalk;
  /** Fires on cancel: SIGTERM, 10 s, SIGKILL, sweep. The verdict is then replaced by `cancelled`. */
  signal: AbortSignal;
  /**
   * The point of no return: from here on no cancel, drain or limit of the agent reaches the job, and its verdict stands.
   * False: it was told to stop before, and must.
   */
  seal: () => boolean;
  /** Tells the audit log of the account that something of this job was refused, and why. Durable when it resolves. */
  refused: (refusal: Refusal, reason: string) => Promise<void>;
  /** From here on no output of this job shows the value. */
  mask: (secret: string) => void;
  /** Of a deploy: an earlier life of the agent was at it. Nothing of it is begun again. */
  resumed: boolean;
  /** A read-only token for the job's repository; masked in everything that is sent. Throws when none is to be had. */
  cloneToken: () => Promise<string>;
  /** One for the private inputs that the default branch lists; asked for when something has to be fetched. */
  inputToken: () => Promise<InputToken>;
  /** The operator's, for the fetch step alone. */
  credentials: OperatorCredentials;
  manifests: Manifests;
  clock: Clock;
  /** Signs what is built, as this runner. */
  attest: Attest;
  /** Signs the closures of machines' systems, as this runner. */
  attestClosure: AttestClosure;
};

/** Does what a verified specification says. Expected ends are verdicts; what it throws becomes `infrastructure`. */
export type RunJob = (specification: Specification, context: JobContext) => Promise<Verdict>;
