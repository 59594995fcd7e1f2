import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";

/** Why a destination is refused; the text goes to the client and to the log. */
export type EgressDecision =
  | {
      readonly kind: "listed";
      /** The operator named this very host and port: private addresses count too. */ readonly exact: boolean;
    }
  | { readonly kind: "not-listed" };

interface Pattern {
  readonly host: string;
  readonly port: number | null;
}

/** A parsed allow-list. */
export interface EgressPolicy {
  decide(host: string, port: number): EgressDecision;
}

/** @param patterns `host:port`, see `EgressPattern`. */
export function egressPolicy(patterns: readonly string[]): EgressPolicy {
  const parsed = patterns.map(parse);
  return {
    decide(host, port) {
      const name = host.toLowerCase().replace(/\.$/, "");
      const matching = parsed.filter(
        (pattern) =>
          (pattern.port === null || pattern.port === port) && matches(pattern.host, name),
      );
      if (matching.length === 0) return { kind: "not-listed" };
      return {
        kind: "listed",
        exact: matching.some((pattern) => pattern.host === name && pattern.port === port),
      };
    },
  };
}

function parse(pattern: string): Pattern {
  const colon = pattern.lastIndexOf(":");
  const host = pattern
    .slice(0, colon)
    .toLowerCase()
    .replace(/^\[|\]$/g, "");
  const port = pattern.slice(colon + 1);
  return { host, port: port === "*" ? null : Number(port) };
}

function matches(pattern: string, host: string): boolean {
  if (pattern === "*") return true;
  if (pattern.startsWith("*."))
    return host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1;
  return pattern === host;
}

/** Ranges that are not the public internet (IANA's special-purpose registries). */
const SPECIAL = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const) {
  SPECIAL.addSubnet(network, prefix, "ipv4");
}

/** Of IPv6 only 2000::/3 is the public internet, less what embeds or tunnels IPv4. */
const GLOBAL_V6 = new BlockList();
GLOBAL_V6.addSubnet("2000::", 3, "ipv6");
const SPECIAL_V6 = new BlockList();
for (const [network, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const) {
  SPECIAL_V6.addSubnet(network, prefix, "ipv6");
}

/** True for an address of the public internet that is not one of this host's own. */
export function isPublicAddress(
  address: string,
  own: ReadonlySet<string> = ownAddresses(),
): boolean {
  const bare = address.replace(/%.*$/, "");
  if (own.has(bare)) return false;
  switch (isIP(bare)) {
    case 4:
      return !SPECIAL.check(bare, "ipv4");
    case 6:
      return GLOBAL_V6.check(bare, "ipv6") && !SPECIAL_V6.check(bare, "ipv6");
    default:
      return false;
  }
}

/** A host's public address reaches its own services too, past a firewall that trusts the host. */
function ownAddresses(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).map((entry) => entry.address),
    ),
  );
}
