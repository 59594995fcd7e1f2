/** Trees of the demo: raw derivations, so that they build for real with no nixpkgs and no network. */

export type Tree = Record<string, string>;

/** One derivation as Nix source. `script` runs under the sandbox's /bin/sh; it must make $out. */
export function derivation(name: string, script: string, system = "x86_64-linux"): string {
  return `derivation { name = ${nix(name)}; system = ${nix(system)}; builder = "/bin/sh"; args = [ "-c" ${nix(script)} ]; }`;
}

/** A flake whose `packages.<system>` are the given expressions. */
export function flake(packages: Record<string, string>, system = "x86_64-linux"): string {
  const lines = Object.entries(packages).map(
    ([name, expression]) => `      ${nix(name)} = ${expression};`,
  );
  return `{
  description = "A demo of Snowcat";
  outputs = { self }: {
    packages.${system} = {
${lines.join("\n")}
    };
  };
}
`;
}

/** A string literal of the Nix language. */
export function nix(text: string): string {
  return `"${text.replace(/["\\]|\$\{/gu, (found) => `\\${found}`).replace(/\n/gu, "\\n")}"`;
}
