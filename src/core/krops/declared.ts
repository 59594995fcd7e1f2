import { declaredIn } from "../config/machines.ts";
import type { Configuration } from "../config/schema.ts";

/** What a configuration says of krops. */
export type KropsDeclared = {
  /** Machines whose method it is. */
  machines: string[];
  /** Paths at which a file may be committed: the real one, else its template. */
  krops: [string, string];
  build: [string, string];
};

/** Null where no machine is deployed by krops. */
export function kropsDeclared({ machines = {} }: Configuration): KropsDeclared | null {
  const { defaults } = machines;
  const own = Object.entries(declaredIn(machines)).map(([name, machine]) => ({
    name,
    ...defaults,
    ...machine,
  }));
  const [first, ...others] = own.filter(({ method }) => method === "krops");
  if (first === undefined) return null;
  return {
    machines: [first, ...others].map(({ name }) => name).toSorted(),
    krops: withTemplate(first.krops?.file ?? "krops.nix"),
    build: withTemplate(first.krops?.local ?? "build-local.nix"),
  };
}

function withTemplate(path: string): [string, string] {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  return [path, `${folder}example-${path.slice(folder.length)}`];
}
