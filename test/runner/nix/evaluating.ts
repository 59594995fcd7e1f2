import { rm } from "node:fs/promises";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import { attributeName } from "../../../src/protocol/attribute.ts";
import type { Selection } from "../../../src/protocol/specification.ts";
import { copyCheckout } from "../../../src/runner/check/checkout.ts";
import type { Evaluation, EvaluationOptions } from "../../../src/runner/nix/evaluate/index.ts";
import { evaluate } from "../../../src/runner/nix/evaluate/index.ts";
import type { Workspace } from "../../../src/runner/nix/launch.ts";
import type { NixForTest } from "./support.ts";
import { folder } from "./support.ts";

/** Evaluates a flake of these files, without building anything. */
export async function evaluateTree(
  nix: NixForTest,
  files: Readonly<Record<string, string>>,
  options: Partial<Omit<EvaluationOptions, "selection">> & {
    selection?: Partial<Extract<Selection, { kind: "flake" }>>;
  } = {},
): Promise<{ end: Evaluation; byName: Map<string, Attribute> }> {
  const checkout = await folder(files);
  const workspace: Workspace = options.workspace ?? nix.workspace;
  const signal = new AbortController().signal;
  try {
    await workspace.launch({
      argv: ["rm", "-rf", "--", `${workspace.directory}/source`],
      network: "none",
    });
    const tree = await copyCheckout(workspace, checkout, signal);
    const byName = new Map<string, Attribute>();
    const end = await evaluate({
      version: nix.facts.version,
      tree,
      revision: null,
      index: 0,
      seconds: 300,
      memoryBytes: 2 ** 31,
      imports: null,
      signal,
      now: () => performance.now(),
      ...options,
      workspace,
      selection: {
        kind: "flake",
        directory: "",
        attributes: ["packages"],
        systems: null,
        ...options.selection,
      },
      onAttribute(attribute) {
        const name = attributeName(attribute.path);
        if (byName.has(name)) throw new Error(`${name} was told twice`);
        byName.set(name, attribute);
        options.onAttribute?.(attribute);
      },
    });
    return { end, byName };
  } finally {
    await rm(checkout, { recursive: true });
  }
}
