import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { isPublicAddress } from "../../isolation/egress/policy.ts";

/** A host and port that the operator listed: it may be private. */
export type ListedHost = { readonly host: string; readonly port: number };

export type Address = { kind: "address"; address: string } | { kind: "refused"; why: string };

/**
 * The one address that a check connects to: the configuration that names the host is written by others than whoever runs
 * this network, so that what is not public has to be listed. The name is resolved here once, and nowhere later.
 */
export async function addressOf(
  host: string,
  port: number,
  listed: readonly ListedHost[],
): Promise<Address> {
  const exact = listed.some((entry) => entry.host === host && entry.port === port);
  const found = isIP(host) === 0 ? await resolve(host) : [host];
  if (found.length === 0) return { kind: "refused", why: `${host} has no address` };
  const address = exact ? found[0] : found.find((each) => isPublicAddress(each));
  if (address !== undefined) return { kind: "address", address };
  return {
    kind: "refused",
    why: `${host}:${port} is not public, and not among "healthHosts" of the deploy runner's policy`,
  };
}

async function resolve(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}
