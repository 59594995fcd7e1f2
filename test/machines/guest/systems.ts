import { resolve } from "node:path";
import type { Builder } from "../systems.ts";

/** Arguments of `nix/examples/fleet/nix/system.nix` that systems differ in. */
export interface FleetSystem {
  readonly page?: string;
  readonly extraUnits?: readonly string[];
  readonly unitText?: Readonly<Record<string, string>>;
  readonly activation?: string;
  readonly bootHook?: string;
  readonly kernel?: string;
  readonly interface?: string;
}

const EXPRESSION = resolve(import.meta.dirname, "../../../nix/examples/fleet/nix/system.nix");
const MACHINE = { name: "web1", system: "x86_64-linux", domain: "web1.example.org" };

/** Builds systems of the example fleet's first machine; their store paths by name. */
export async function fleetSystems<Name extends string>(
  builder: Builder,
  systems: Readonly<Record<Name, FleetSystem>>,
): Promise<Record<Name, string>> {
  const names = Object.keys(systems) as Name[];
  const all = JSON.stringify(names.map((name) => ({ ...MACHINE, ...systems[name] })));
  // A JSON string is one of Nix as well, but for what it would interpolate.
  const text = JSON.stringify(all).replaceAll("$", String.raw`\$`);
  const paths = await builder.expression(
    `map (one: (import ${EXPRESSION} one).config.system.build.toplevel) (builtins.fromJSON ${text})`,
  );
  return Object.fromEntries(names.map((name, at) => [name, paths[at]])) as Record<Name, string>;
}
