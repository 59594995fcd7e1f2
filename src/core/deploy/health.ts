import type { HealthCheck } from "../../protocol/machine.ts";
import { HealthCheck as Check } from "../../protocol/machine.ts";
import type { HealthSource } from "../config/machines.ts";
import { filler, type Variables } from "./fill.ts";

/** Tries and times (s) of a check that does not say otherwise. */
const PATIENCE = { grace: 60, interval: 2, timeout: 10 } as const;

/**
 * A machine's checks with its variables put in: `https://app.${domain}/`. One that cannot be made is a problem, not a check
 * less: what was to be looked at would not be.
 */
export function healthOf(
  sources: readonly HealthSource[],
  variables: Variables,
): { checks: HealthCheck[]; problems: string[] } {
  const checks: HealthCheck[] = [];
  const problems: string[] = [];
  for (const source of sources) {
    const { fill, missing } = filler(variables);
    const made = Check.safeParse(checkOf(source, fill));
    if (missing.size > 0)
      problems.push(`a health check needs ${[...missing].map((name) => `\${${name}}`).join(", ")}`);
    else if (made.success) checks.push(made.data);
    else problems.push(`a health check is not one: ${made.error.issues[0]?.message ?? "invalid"}`);
  }
  return { checks, problems };
}

function checkOf(source: HealthSource, fill: (text: string) => string): unknown {
  const patience = {
    graceSeconds: source.grace_seconds ?? PATIENCE.grace,
    intervalSeconds: source.interval_seconds ?? PATIENCE.interval,
    timeoutSeconds: source.timeout_seconds ?? PATIENCE.timeout,
  };
  if ("http" in source) return { kind: "http", url: fill(source.http), ...patience };
  if ("websocket" in source) return { kind: "websocket", url: fill(source.websocket), ...patience };
  if ("unit" in source) return { kind: "unit", unit: fill(source.unit), ...patience };
  if ("command" in source)
    return { kind: "command", argv: source.command.map((argument) => fill(argument)), ...patience };
  const address = fill(source.tcp);
  const colon = address.lastIndexOf(":");
  return {
    kind: "tcp",
    // `[::1]:22` as an address has it.
    host: address.slice(0, colon).replace(/^\[(.*)\]$/u, "$1"),
    port: Number(address.slice(colon + 1)),
    ...patience,
  };
}
