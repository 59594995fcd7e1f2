import type { HealthCheck } from "../../../protocol/machine.ts";
import type { Clock } from "../../agent/clock.ts";
import type { Health } from "./probe.ts";

/**
 * Asks all checks at once, each until it holds or its grace is over.
 * @param once asks a check once.
 * @param deadline Unix time (ms) after which nothing is asked any more, whatever grace is left.
 * @returns of each check that does not hold, its name and what was there at last.
 */
export async function awaitHealth(
  checks: readonly HealthCheck[],
  once: (check: HealthCheck) => Promise<Health>,
  clock: Clock,
  deadline: number,
): Promise<string[]> {
  const ends = await Promise.all(
    checks.map(async (check) => {
      const why = await patiently(check, once, clock, deadline);
      return why === null ? [] : [`${nameOf(check)}: ${why}`];
    }),
  );
  return ends.flat();
}

async function patiently(
  check: HealthCheck,
  once: (check: HealthCheck) => Promise<Health>,
  clock: Clock,
  deadline: number,
): Promise<Health> {
  const end = Math.min(deadline, clock.now() + check.graceSeconds * 1_000);
  for (let tries = 1; ; tries += 1) {
    const why = await once(check);
    if (why === null) return null;
    if (clock.now() + check.intervalSeconds * 1_000 > end)
      return `${why} (asked ${tries === 1 ? "once" : `${tries} times`})`;
    await new Promise<void>((resolve) => {
      clock.after(check.intervalSeconds * 1_000, resolve);
    });
  }
}

function nameOf(check: HealthCheck): string {
  switch (check.kind) {
    case "http":
    case "websocket":
      return check.url;
    case "tcp":
      return `tcp ${check.host}:${check.port}`;
    case "unit":
      return check.unit;
    case "command":
      return check.argv.join(" ");
  }
}
