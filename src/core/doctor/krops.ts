import type { Configuration } from "../config/schema.ts";
import { kropsDeclared, type KropsTree, machinesNamed, PLACE_WORDS } from "../krops/index.ts";
import type { Problem } from "./examine.ts";

/**
 * KRO-2, KRO-3: where krops' machines are named in a checkout, and what of it lies in an operator's overlay.
 * @param tree null where no machine is deployed by krops
 */
export function* kropsNamed(
  configuration: Configuration,
  tree: KropsTree | null,
): Iterable<Problem> {
  const declared = kropsDeclared(configuration);
  if (declared === null || tree === null) return;
  const [real, template] = declared.krops;
  const found = tree.krops?.path ?? null;
  if (found !== real)
    yield {
      level: "note",
      path: ["machines"],
      message:
        found === null
          ? `neither ${real} nor ${template} is here: the deploy runner's overlay has to have it, and it is not covered`
          : `${real} is the deploy runner's and not covered; ${template} is looked at in its place`,
    };
  const named = machinesNamed(tree);
  for (const { machine, in: places, missing } of named)
    if (missing.length > 0)
      yield {
        level: "warning",
        path: ["machines"],
        message: `${machine} is in ${words(places)} and not in ${words(missing)}`,
      };
  const attributes = named.filter((one) => one.in.includes("krops-attribute"));
  const own = configuration.machines ?? {};
  for (const name of found === real ? declared.machines : []) {
    const isRenamed = own[name]?.krops?.attribute !== undefined;
    if (!isRenamed && !attributes.some(({ machine }) => machine === name))
      yield { level: "error", path: ["machines", name], message: `${real} has no ${name}` };
  }
}

const words = (places: readonly (keyof typeof PLACE_WORDS)[]): string =>
  places.map((place) => PLACE_WORDS[place]).join(", ");
