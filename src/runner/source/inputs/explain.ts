import type { Position } from "../../../protocol/verdict.ts";
import { isPassing, permissionAdvice, reasonOf } from "../refusal.ts";
import type { InputAccess } from "./access.ts";
import type { FlakeFiles } from "./files.ts";
import { flakePosition } from "./files.ts";
import { nodePosition } from "./lock.ts";

/** What Nix said about a flake, and where. */
export interface Told {
  readonly message: string;
  readonly position: Position | null;
}

export type FetchEnd =
  | ({ readonly kind: "error" } & Told)
  | { readonly kind: "infrastructure"; readonly message: string };

/** Gives Nix's words about a lock file their place, and says what to do where the words alone do not. */
export function explainError({ message, position }: Told, files: FlakeFiles): Told {
  const { lock } = files;
  const unknown =
    /(?:unsupported (?:\w+ )?input attribute '([^']+)'|input attribute '([^']+)' not supported)/u
      .exec(message)
      ?.slice(1)
      .find((found) => found !== undefined);
  if (lock !== null && unknown !== undefined) {
    const [name] =
      Object.entries(lock.graph.nodes).find(([, node]) => node.locked?.[unknown] !== undefined) ??
      [];
    if (name !== undefined)
      return {
        message: `input ${JSON.stringify(name)} is locked with ${JSON.stringify(unknown)}, which the runner's Nix does not know: the lock file was written by a newer one. Lock it again with the older Nix, or give the runner the newer. (${message})`,
        position: nodePosition(lock, name, "locked", unknown),
      };
  }
  if (
    lock !== null &&
    /mutable lock|unlocked input|not locked|lacks? (?:a )?narHash/iu.test(message)
  ) {
    const [name] =
      Object.entries(lock.graph.nodes).find(
        ([key, { locked }]) => key !== lock.graph.root && locked?.["narHash"] === undefined,
      ) ?? [];
    if (name !== undefined)
      return {
        message: `input ${JSON.stringify(name)} is not locked by content: its "locked" has no narHash. Lock again with \`nix flake lock\`. (${message})`,
        position: nodePosition(lock, name, "locked"),
      };
  }
  const indirect = /cannot find flake '(?:flake:)?([^'/]+)[^']*' in the flake registries/u.exec(
    message,
  )?.[1];
  if (indirect !== undefined)
    return {
      message: `input ${JSON.stringify(indirect)} has no address: runners have no flake registry. Give it one in flake.nix (inputs.${indirect}.url = "github:…") and commit the lock file. (${message})`,
      position: flakePosition(files, indirect) ?? position,
    };
  return { message, position };
}

/** The same for an error that came while something was fetched: a host's trouble is nobody's red check. */
export async function explainFetch(
  told: Told,
  files: FlakeFiles,
  { access }: InputAccess,
): Promise<FetchEnd> {
  const { message, position } = explainError(told, files);
  const reason = reasonOf(message);
  const url = /\b(?:https?|ssh):\/\/[^\s'"›»]+/u.exec(message)?.[0];
  const address = url === undefined ? null : URL.parse(url);
  if (isPassing(reason))
    return {
      kind: "infrastructure",
      message: `fetching the flake's inputs: ${address?.host ?? "a host"} ${reason === "limited" ? "asks to wait" : "cannot be reached"}: ${message}`,
    };
  if (reason !== "denied") return { kind: "error", message, position };
  // ssh names no address.
  if (address === null)
    return { kind: "error", message: `${message} ${permissionAdvice(null, null)}`, position };
  const others = await access.others();
  // GitHub's own addresses of tarballs and of what a branch points to; git tells the host only.
  const [, named] = /^\/(?:api\/v3\/)?repos\/([^/]+\/[^/]+)\//u.exec(address.pathname) ?? [];
  const repository = named ?? access.repositoryOf(address.href);
  const asked =
    repository === null ? askedFor(files, access, address.host, others?.repositories ?? []) : [];
  const advice = permissionAdvice(repository ?? (asked.join(" or ") || null), others);
  const place = asked[0] === undefined ? null : flakePosition(files, asked[0]);
  return { kind: "error", message: `${message} ${advice}`, position: place ?? position };
}

/** Repositories of a host that flake.nix names and no token opens. */
function askedFor(
  { flake }: FlakeFiles,
  access: InputAccess["access"],
  host: string,
  opened: readonly string[],
): string[] {
  const names = [...flake.text.matchAll(/\b(?:https?|ssh):\/\/[^\s"?]+/gu)].flatMap(([url]) => {
    const name = URL.parse(url)?.host === host ? access.repositoryOf(url) : null;
    return name === null || opened.includes(name) ? [] : [name];
  });
  return [...new Set(names)];
}
