import type { IncomingMessage } from "node:http";
import type { World } from "./world.ts";

/** Where GitHub sends whoever asks by a name that a repository had before. */
export type Moved = { status: 301 | 307; location: string };

/**
 * What is asked below `/repositories/{id}` is what is asked below the name that the repository has now. The published
 * description does not list it; GitHub leads renamed repositories there.
 */
export function named(world: World, target: string): string {
  const found = /^\/repositories\/(\d+)(\/.*)$/.exec(target);
  const repo = found && world.repositories.get(Number(found[1]));
  return repo ? `/repos/${world.fullName(repo)}${found[2] ?? ""}` : target;
}

/** Null where the name is a repository's now: a name that is used again leads nowhere else. */
export function movedTo(world: World, { url, method, headers }: IncomingMessage): Moved | null {
  const found = /^\/repos\/([^/?]+)\/([^/?]+)(.*)$/.exec(url ?? "");
  if (!found) return null;
  const [, owner = "", name = "", rest = ""] = found;
  if (world.findRepository(owner, name) !== undefined) return null;
  const id = world.formerly.get(`${owner}/${name}`.toLowerCase());
  if (id === undefined || !world.repositories.has(id)) return null;
  return {
    status: method === "GET" || method === "HEAD" ? 301 : 307,
    location: `http://${headers.host ?? ""}/repositories/${id}${rest}`,
  };
}
