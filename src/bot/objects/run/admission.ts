import { admit } from "../../../core/run/index.ts";
import type { Verdict } from "../../../protocol/verdict.ts";
import type { Read } from "../contracts.ts";
import { commit, type Context } from "./context.ts";

/** GitHub or a neighbour does not answer now: tried again later. */
export class Unavailable extends Error {
  readonly retryAfter: number;
  constructor(retryAfter: number, reason: string) {
    super(reason);
    this.name = "Unavailable";
    this.retryAfter = retryAfter;
  }
}

/** The run ends before its first job. */
export function refuse(context: Context, verdict: Verdict, also?: () => void): null {
  commit(context, () => admit(context.store.slice(), { kind: "refuse", verdict }), also);
  return null;
}

export function need<T>(read: Read<T>, what: string): T {
  if (read.ok) return read.value;
  if (read.missing) throw new Unavailable(5_000, `GitHub does not have the ${what} (yet)`);
  throw new Unavailable(read.retryAfter, read.reason);
}
