import type { MachineOutcome } from "../../protocol/machine.ts";
import type { Conclusion } from "../verdict/index.ts";

export type OutcomeKind = MachineOutcome["kind"];

/** States of GitHub's deployment statuses that a machine's end is told by. */
export type DeploymentState = "success" | "failure" | "error" | "inactive";

type Row = {
  /** Of a check run. A machine was asked for, so nothing but `active` is a success, and nothing is neutral. */
  conclusion: Extract<Conclusion, "success" | "failure" | "action_required">;
  deployment: DeploymentState;
  word: string;
  /** What to do next; empty where there is nothing to do. */
  advice: string;
};

/** Total: a new end of a machine does not compile before its row is here. */
const TABLE: Record<OutcomeKind, Row> = {
  active: { conclusion: "success", deployment: "success", word: "active", advice: "" },
  "rolled-back": {
    conclusion: "failure",
    deployment: "failure",
    word: "rolled back",
    advice:
      "The machine runs what it ran before. Read the log of the step that failed and fix it; this very system is refused from now on, unless somebody asks with `--force`.",
  },
  "needs-reboot": {
    conclusion: "action_required",
    deployment: "error",
    word: "needs a reboot",
    advice:
      "Reboot the machine when it suits; it comes up with the new system. Until then it runs the old one.",
  },
  "failed-untouched": {
    conclusion: "failure",
    deployment: "failure",
    word: "failed, untouched",
    advice: "Nothing of the machine was changed. Set right what is said, then deploy again.",
  },
  "not-prepared": {
    conclusion: "action_required",
    deployment: "error",
    word: "not prepared",
    advice: "Put what is missing on the machine (or the deploy runner) by hand, then deploy again.",
  },
  bootloader: {
    conclusion: "failure",
    deployment: "error",
    word: "boot entry not written",
    advice:
      "The new system runs, and a reboot would bring another one. Make room on /boot or repair the boot loader, then deploy again; do not reboot before.",
  },
  held: {
    conclusion: "action_required",
    deployment: "inactive",
    word: "held",
    advice:
      "Ask whoever holds it, or wait; `/unlock` lets go of a lock or a hold, the configuration of one that stands there.",
  },
  unknown: {
    conclusion: "action_required",
    deployment: "error",
    word: "unknown",
    advice:
      "Look at the machine: nothing is done to it by itself. `/status` shows what was last seen of it; `/deploy` or `/rollback` goes on from what runs then.",
  },
};

export function conclusionOf(kind: OutcomeKind): Row["conclusion"] {
  return TABLE[kind].conclusion;
}

export function deploymentStateOf(kind: OutcomeKind): DeploymentState {
  return TABLE[kind].deployment;
}

export function wordOf(kind: OutcomeKind): string {
  return TABLE[kind].word;
}

export function adviceOn(kind: OutcomeKind): string {
  return TABLE[kind].advice;
}

/** Worst first. */
const SEVERITY = ["failure", "action_required", "success"] as const;

/** What a rollout's check run says of its machines together: the worst. None at all is no success. */
export function conclusionOfAll(kinds: readonly (OutcomeKind | "skipped")[]): Row["conclusion"] {
  const all = kinds.map((kind) => (kind === "skipped" ? "action_required" : conclusionOf(kind)));
  return SEVERITY.find((one) => all.includes(one)) ?? "action_required";
}

/** What is wrong with the machine in words, one line; null where nothing is. */
export function reasonOf(outcome: MachineOutcome): string | null {
  switch (outcome.kind) {
    case "active":
      return null;
    case "not-prepared":
      return `missing: ${outcome.missing.join(", ")}`;
    case "rolled-back":
    case "failed-untouched":
    case "unknown":
      return `${outcome.step}: ${outcome.why}`;
    case "needs-reboot":
    case "bootloader":
    case "held":
      return outcome.why;
  }
}

/**
 * The system that may be remembered as bad: only where it was activated and taken back. A machine that could not be reached
 * says nothing about the system.
 */
export function condemns(outcome: MachineOutcome): boolean {
  return outcome.kind === "rolled-back";
}
