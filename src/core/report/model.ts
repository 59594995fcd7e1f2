import type { Finding } from "../../protocol/data.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { Conclusion } from "../verdict/index.ts";
import type { Count, Phase } from "../run/index.ts";
import type { Difference } from "../impact/index.ts";

/** What the aggregates are rendered from. */
export type Summary = {
  phase: Phase;
  /** Full object names: what it is reported on, and what was built (the test merge, or the head itself). */
  head: string;
  built: string | null;
  base: string | null;
  pool: string | null;
  requiredSystems: string[];
  evaluation: Verdict | null;
  stopped: Verdict | null;
  conclusion: Conclusion | null;
  counts: Count[];
  attributes: number;
  pending: number;
  /** The run whose judgement of the same tree stands for this one. */
  replayOf: string | null;
  /** How the evaluation was made, where it was. */
  evaluator: {
    name: string;
    degraded: string | null;
    seconds: number;
    /** Most memory of one of its processes; null where unknown. */
    peakBytes: number | null;
  } | null;
  /** Against the base's evaluation, where that is known. */
  difference: (Difference & { base: string }) | null;
  /** From the start to the end, or to now (s); where most of it went: the longest builds of this run. */
  seconds: number;
  longest: { name: string; seconds: number }[];
  /** Attributes whose verdict was known before: nothing was built for them. */
  reused: number;
  /** Attributes of this run that are known to be flaky; the list may be shorter than `total`. */
  flaky: { total: number; list: Flaky[] };
  /** The impact's section, as Markdown, where there are machines; it says more than the difference. */
  impact?: string | null;
  notices: string[];
  /** What the outputs should not be; it blocks nothing. */
  findings: Finding[];
  /** The exact comment that approves the head; null where no approval is asked for. */
  approval: string | null;
  url: string;
};

/** One time that a derivation was built: in which run, and the page that tells of it. */
export type Told = { run: string; url: string };

/** What is known of a flaky attribute: its derivation failed and passed, or (without proof) others of it did. */
export type Flaky = {
  name: string;
  proof: { failed: Told; passed: Told; failures: number; passes: number } | null;
  /** Derivations of the attribute that were flaky of late. */
  times: number;
};

export type Listed = {
  name: string;
  system: string | null;
  required: boolean;
  verdict: Verdict | null;
  seconds: number;
  /** This very derivation failed and passed. */
  flaky?: boolean;
};

/** One root cause and what hangs on it. `dependents` may be fewer than `total`. */
export type Cause = {
  label: string;
  drv: string | null;
  verdict: Verdict;
  dependents: string[];
  total: number;
  log: string | null;
  flaky: Flaky | null;
};

export type Annotation = {
  path: string;
  start_line: number;
  end_line: number;
  annotation_level: "notice" | "warning" | "failure";
  message: string;
  title: string;
};

/** A check run's content, as the renderers make it. */
export type CheckBody = {
  status: "queued" | "in_progress" | "completed";
  conclusion: Conclusion | null;
  title: string;
  summary: string;
  text: string | null;
  annotations: Annotation[];
  actions: { label: string; description: string; identifier: string }[];
};
