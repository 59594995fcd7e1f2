/** What clan says, where its exit code says too little. */

/** Of secrets and values that are missing or out of date: clan-core@d7c35d91 pkgs/clan-cli/clan_lib/vars/check.py. */
const LACKING =
  /(?:Secret|Public) var '[^'\n]*'.* (?:is missing|needs update|is marked for deployment to)|Generator '[^'\n]*'.* has outdated invalidation hash/u;
/** More are not named. */
const NAMED = 16;

export function lackingVars(log: string): string[] {
  const lines = log
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => LACKING.test(line));
  return [...new Set(lines)].slice(0, NAMED).map((line) => line.slice(0, 500));
}

/** It ends with 0 where it chose no machine: clan-core@d7c35d91 pkgs/clan-cli/clan_cli/machines/update.py. */
export function wasPassedOver(log: string): string | null {
  return /No machines to update/u.test(log)
    ? "clan updated no machine: it says that there is none to update"
    : null;
}
