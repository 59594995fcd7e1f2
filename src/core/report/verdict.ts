import type { Verdict } from "../../protocol/verdict.ts";
import { word } from "../verdict/index.ts";
import { block, code } from "./escape.ts";

/** A verdict in a few words, Markdown, one line. */
export function brief(verdict: Verdict): string {
  switch (verdict.kind) {
    case "succeeded":
      return verdict.reused ? "succeeded (known before)" : "succeeded";
    case "failed":
      return verdict.exitCode === null ? "failed" : `failed with exit code ${verdict.exitCode}`;
    case "dependency-failed":
      return `not tried: ${code(base(verdict.cause))} ${code(verdict.verdict)}`;
    case "hash-mismatch":
      return `hash mismatch: got ${code(verdict.got)}`;
    case "timed-out":
      return `timed out after ${verdict.limitSeconds} s`;
    case "silent":
      return `printed nothing for ${verdict.limitSeconds} s`;
    case "out-of-memory":
      return verdict.limitBytes === null
        ? "out of memory"
        : `out of memory (limit ${Math.round(verdict.limitBytes / 2 ** 20)} MiB)`;
    case "evaluation-error":
      return verdict.position
        ? `evaluation error at ${code(`${verdict.position.file}:${verdict.position.line}`)}`
        : "evaluation error";
    case "no-runner":
      return `no runner has ${verdict.missing.map((one) => code(one)).join(", ") || "what it needs"}`;
    case "needs-exchange":
      return `needs ${code(base(verdict.drv))}, which only another runner can build (${verdict.missing.map((one) => code(one)).join(", ")}): they have no exchange`;
    case "not-covered":
      return `not covered: ${code(verdict.reason)}`;
    case "needs-approval":
      return `needs approval: ${code(verdict.reason)}`;
    case "cancelled":
      return `cancelled by ${code(verdict.by)}`;
    case "superseded":
      return `superseded by ${code(verdict.by)}`;
    case "infrastructure":
      return `infrastructure failure: ${code(verdict.message)}`;
    case "conflict":
    case "evaluated-only":
    case "out-of-disk":
      return word(verdict.kind);
  }
}

/** What a person reads to find the fault: message or the log's end, as blocks. Empty where `brief` said it all. */
export function detail(verdict: Verdict, length = 8_000): string {
  switch (verdict.kind) {
    case "failed":
    case "dependency-failed":
    case "timed-out":
    case "silent":
    case "out-of-memory":
    case "out-of-disk":
      return verdict.logTail === "" ? "" : `${block(verdict.logTail, length)}\n`;
    case "infrastructure":
      return `${block(verdict.logTail === "" ? verdict.message : `${verdict.message}\n\n${verdict.logTail}`, length)}\n`;
    case "evaluation-error":
    case "conflict":
      return `${block(verdict.message, length, "head")}\n`;
    case "hash-mismatch":
      return `${block(`specified: ${verdict.specified}\n      got: ${verdict.got}`, length)}\n`;
    case "succeeded":
    case "no-runner":
    case "needs-exchange":
    case "not-covered":
    case "evaluated-only":
    case "needs-approval":
    case "cancelled":
    case "superseded":
      return "";
  }
}

/** `hello-1.0.drv` of `/nix/store/…-hello-1.0.drv`. */
export function base(storePath: string): string {
  return storePath.replace(/^\/nix\/store\/[0-9a-z]{32}-/u, "");
}
