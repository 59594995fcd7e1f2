import { type ClosureDifference, IMPACT, type PackageChange } from "../../protocol/impact.ts";
import { nameOf, packageOf } from "./package.ts";

/** One path of a closure and the size of its archive (bytes). */
export type Sized = { path: string; bytes: number };

/** Another size of the same versions counts from here on (bytes): every rebuild moves some. */
export const NOISE = 8 * 1_024;

type Package = { versions: Set<string>; bytes: number };

/** How two closures differ, by packages: their versions, and their sizes from `NOISE` on. The largest changes first. */
export function closureDifference(
  before: readonly Sized[],
  after: readonly Sized[],
): ClosureDifference {
  const old = packages(before);
  const fresh = packages(after);
  const found: PackageChange[] = [];
  let [added, removed, changed] = [0, 0, 0];
  for (const name of new Set([...old.keys(), ...fresh.keys()])) {
    const was = old.get(name);
    const is = fresh.get(name);
    const bytes = (is?.bytes ?? 0) - (was?.bytes ?? 0);
    if (was === undefined) added += 1;
    else if (is === undefined) removed += 1;
    else if (!same(was.versions, is.versions) || Math.abs(bytes) >= NOISE) changed += 1;
    else continue;
    found.push({ name, before: versions(was), after: versions(is), bytes });
  }
  found.sort((a, b) => Math.abs(b.bytes) - Math.abs(a.bytes) || (a.name < b.name ? -1 : 1));
  return {
    before: sizeOf(before),
    after: sizeOf(after),
    added,
    removed,
    changed,
    packages: found.slice(0, IMPACT.packages),
  };
}

function packages(closure: readonly Sized[]): Map<string, Package> {
  const found = new Map<string, Package>();
  for (const { path, bytes } of closure) {
    const { name, version } = packageOf(nameOf(path));
    const known = found.get(name) ?? { versions: new Set(), bytes: 0 };
    known.versions.add(version);
    known.bytes += bytes;
    found.set(name, known);
  }
  return found;
}

function same(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one));
}

function versions(of: Package | undefined): string[] {
  return [...(of?.versions ?? [])]
    .toSorted()
    .slice(0, IMPACT.versions)
    .map((version) => version.slice(0, 128));
}

function sizeOf(closure: readonly Sized[]): { paths: number; bytes: number } {
  return { paths: closure.length, bytes: closure.reduce((sum, { bytes }) => sum + bytes, 0) };
}
