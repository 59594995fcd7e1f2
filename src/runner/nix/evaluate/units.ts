import type { Selection } from "../../../protocol/specification.ts";
import { parseAttributePath } from "../../../protocol/attribute-path.ts";
import type { Unit } from "./expression.ts";
import { DEFAULT_ATTRIBUTES } from "../../../core/config/resolve.ts";
import { outputKind } from "./outputs.ts";

/** Units that one process evaluates together: those of one system, so that a system's trouble stays its own. */
export interface Group {
  readonly name: string;
  readonly units: readonly Unit[];
}

/** The first look at a flake. */
export interface Outline {
  readonly outputs: readonly string[];
  readonly systems: ReadonlyMap<string, readonly string[]>;
}

/** Declared attributes that cannot be read as paths, beside those that can. */
export function declaredPaths(attributes: readonly string[]): {
  paths: string[][];
  malformed: string[];
} {
  const paths: string[][] = [];
  const malformed: string[] = [];
  for (const spelled of attributes) {
    const path = parseAttributePath(spelled);
    if (path === null || path.length > 32) malformed.push(spelled);
    else paths.push(path);
  }
  return { paths, malformed };
}

export function flakePaths(selection: Extract<Selection, { kind: "flake" }>): {
  paths: string[][];
  malformed: string[];
} {
  return declaredPaths(
    selection.attributes.length === 0 ? DEFAULT_ATTRIBUTES : selection.attributes,
  );
}

/** The work of a flake's selection, by system. */
export function flakeGroups(
  paths: readonly string[][],
  systems: readonly string[] | null,
  outline: Outline,
): Group[] {
  const groups = new Map<string, Unit[]>();
  const add = (group: string, unit: Omit<Unit, "from">): void => {
    const units = groups.get(group) ?? [];
    const text = JSON.stringify(unit.path);
    if (!units.some((other) => JSON.stringify(other.path) === text))
      units.push({ ...unit, from: 0 });
    groups.set(group, units);
  };
  for (const path of paths) {
    const [output = "", second] = path;
    const kind = outputKind(output);
    if (kind.by === "nothing" && path.length === 1) continue;
    if (kind.by !== "system") {
      add("", { path, shape: path.length === 1 ? kind.shape : "leaf", leaf: kind.leaf });
    } else if (second === undefined) {
      for (const system of outline.systems.get(output) ?? []) {
        if (systems === null || systems.includes(system))
          add(system, { path: [output, system], shape: kind.shape, leaf: kind.leaf });
      }
    } else if (systems === null || systems.includes(second)) {
      add(second, { path, shape: path.length === 2 ? kind.shape : "leaf", leaf: kind.leaf });
    }
  }
  return [...groups].map(([name, units]) => ({ name, units }));
}

/** A file's declared attributes; never an enumeration. */
export function fileGroups(paths: readonly string[][]): Group[] {
  const unique = new Map(paths.map((path) => [JSON.stringify(path), path]));
  const units = [...unique.values()].map((path): Unit => ({
    path,
    shape: "leaf",
    leaf: "derivations",
    from: 0,
  }));
  return units.length === 0 ? [] : [{ name: "", units }];
}
