import type { KnownFailure } from "../../protocol/data.ts";
import type { Verdict } from "../../protocol/verdict.ts";

/** What one attempt builds at the moment; one row. */
export type Claim = {
  job: number;
  attempt: number;
  /** Number within the attempt. */
  claim: number;
  drvs: string[];
  /** Somebody was refused one of them, and is to be told when they are free. */
  wanted: boolean;
};

export type ClaimAnswer = {
  granted: boolean;
  held: string[];
  failed: KnownFailure[];
  /** Claims to be written: the new one, and those that are wanted from now on. */
  write: Claim[];
};

/** Most failures that one answer names: a runner that was told some asks again, and hears of the others. */
const FAILURES = 40;

/**
 * Whether an attempt may build all of what it asks for. Nobody holds some and waits for others, so nobody waits in a
 * circle. What has failed in this run is not built again by anybody.
 *
 * @param claims what is held now, by everybody.
 * @param failed verdicts of those asked for that did not succeed in this run.
 */
export function claim(
  claims: readonly Claim[],
  asked: Omit<Claim, "wanted">,
  failed: ReadonlyMap<string, Verdict>,
): ClaimAnswer {
  const same = (one: Omit<Claim, "wanted">): boolean =>
    one.job === asked.job && one.attempt === asked.attempt && one.claim === asked.claim;
  if (claims.some(same)) return { granted: true, held: [], failed: [], write: [] };
  const wants = new Set(asked.drvs);
  const known = asked.drvs.flatMap((drv) => {
    const verdict = failed.get(drv);
    return verdict === undefined ? [] : [{ drv, verdict }];
  });
  const held: string[] = [];
  const wanted: Claim[] = [];
  for (const other of claims) {
    const common = other.drvs.filter((drv) => wants.has(drv));
    if (common.length === 0) continue;
    held.push(...common);
    if (!other.wanted) wanted.push({ ...other, wanted: true });
  }
  const granted = held.length === 0 && known.length === 0;
  return {
    granted,
    held,
    failed: known.slice(0, FAILURES),
    write: granted ? [{ ...asked, wanted: false }] : wanted,
  };
}

/**
 * Claims that end with attempts of a job: all of them when it is over, else those before the attempt that counts now.
 * An attempt that is only suspected to be lost keeps its claims: it may be at work.
 */
export function endedWith(claims: readonly Claim[], job: number, attempt: number | null): Claim[] {
  return claims.filter((one) => one.job === job && (attempt === null || one.attempt < attempt));
}

/** What others are to be told is free now. */
export function freed(ended: readonly Claim[]): string[] {
  return [...new Set(ended.filter(({ wanted }) => wanted).flatMap(({ drvs }) => drvs))];
}
