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
  /** Nothing is heard of the attempt: it keeps them only until somebody asks. */
  adrift: boolean;
};

/** Attempts that lost their claims while they were adrift: they are over, or two would build the same. */
export type Fenced = { job: number; attempt: number };

export type ClaimAnswer = {
  granted: boolean;
  held: string[];
  failed: KnownFailure[];
  /** Claims to be written: the new one, and those that are wanted from now on. */
  write: Claim[];
  fenced: Fenced[];
};

type Asked = Omit<Claim, "wanted" | "adrift">;

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
  asked: Asked,
  failed: ReadonlyMap<string, Verdict>,
): ClaimAnswer {
  const same = (one: Claim): boolean =>
    one.job === asked.job && one.attempt === asked.attempt && one.claim === asked.claim;
  if (claims.some(same)) return { granted: true, held: [], failed: [], write: [], fenced: [] };
  const wants = new Set(asked.drvs);
  const known = asked.drvs.flatMap((drv) => {
    const verdict = failed.get(drv);
    return verdict === undefined ? [] : [{ drv, verdict }];
  });
  const held: string[] = [];
  const wanted: Claim[] = [];
  const fenced: Fenced[] = [];
  for (const other of claims) {
    const common = other.drvs.filter((drv) => wants.has(drv));
    if (common.length === 0) continue;
    if (other.adrift) {
      fenced.push({ job: other.job, attempt: other.attempt });
      continue;
    }
    held.push(...common);
    if (!other.wanted) wanted.push({ ...other, wanted: true });
  }
  const granted = held.length === 0 && known.length === 0;
  return {
    granted,
    held,
    failed: known.slice(0, FAILURES),
    write: granted ? [{ ...asked, wanted: false, adrift: false }] : wanted,
    fenced: granted ? fenced : [],
  };
}

/**
 * Claims that end with attempts of a job: all of them when it is over, else those before the attempt that counts now.
 */
export function endedWith(claims: readonly Claim[], job: number, attempt: number | null): Claim[] {
  return claims.filter((one) => one.job === job && (attempt === null || one.attempt < attempt));
}

/** What others are to be told is free now. */
export function freed(ended: readonly Claim[]): string[] {
  return [...new Set(ended.filter(({ wanted }) => wanted).flatMap(({ drvs }) => drvs))];
}

/**
 * An attempt of which nothing is heard. It may be at work, so it keeps what nobody else wants; what somebody waits for
 * is taken from it, and it is over. Answers the claims to be written, or null when it is to be fenced.
 */
export function adrift(claims: readonly Claim[], { job, attempt }: Fenced): Claim[] | null {
  const own = claims.filter((one) => one.job === job && one.attempt === attempt);
  return own.some(({ wanted }) => wanted) ? null : own.map((one) => ({ ...one, adrift: true }));
}
