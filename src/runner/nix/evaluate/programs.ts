import { attributeName, Derivation } from "../../../protocol/attribute.ts";
import { shorten } from "../log/clean.ts";
import { showDerivations } from "../store/derivations.ts";
import type { Program } from "./progress.ts";
import type { EvaluationOptions } from "./options.ts";
import { systemOf } from "./outputs.ts";

/** Apps name a program; the store knows the derivations behind it. */
export async function settlePrograms(
  options: Pick<EvaluationOptions, "workspace" | "version" | "signal" | "index" | "onAttribute">,
  programs: readonly Program[],
  warn: (message: string) => void,
): Promise<void> {
  const drvs = [
    ...new Set(
      programs.flatMap((program) => program.derivations.filter((path) => path.endsWith(".drv"))),
    ),
  ];
  const graph = await showDerivations(
    options.workspace,
    options.version,
    drvs,
    false,
    options.signal,
  );
  for (const { path, program, derivations, seconds } of programs) {
    const nodes = derivations.flatMap((drv) => graph.get(drv) ?? []);
    const node =
      nodes.find(({ outputs }) =>
        [...outputs.values()].some(
          (output) => output !== null && (program === output || program.startsWith(`${output}/`)),
        ),
      ) ?? nodes[0];
    if (node === undefined) {
      warn(
        `warning: ${attributeName(path)} names the program ${shorten(program, 200)}, which no derivation makes: there is nothing to build`,
      );
      continue;
    }
    const derivation = Derivation.safeParse({
      path: node.drv,
      name: node.name,
      system: node.system,
      outputs: Object.fromEntries(node.outputs),
      features: [...node.features],
    });
    options.onAttribute({
      selection: options.index,
      path: [...path],
      system: systemOf(path),
      result: derivation.success
        ? { kind: "derivation", derivation: derivation.data }
        : {
            kind: "error",
            message: "its program comes from a derivation whose name or system cannot be used",
            position: null,
          },
      seconds,
    });
  }
}
