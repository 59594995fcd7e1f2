import type { GraphNode } from "../store/derivations.ts";
import type { NixFacts } from "../version.ts";

/** What this runner lacks to build a derivation by itself, in words for the verdict. */
export function lacking(node: GraphNode | undefined, facts: NixFacts): string[] {
  if (node === undefined) return [];
  const own = node.system === "builtin" || facts.systems.includes(node.system);
  return [
    ...(own ? [] : [`system ${node.system}`]),
    ...node.features
      .filter((feature) => !facts.features.includes(feature))
      .map((feature) => `feature ${feature}`),
  ];
}
