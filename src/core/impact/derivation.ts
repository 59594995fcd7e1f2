import { type DerivationDifference, IMPACT, type Origin } from "../../protocol/impact.ts";
import { nameOf, packageOf } from "./package.ts";

/** A derivation as its file has it. Paths are absolute. */
export type DerivationText = {
  system: string;
  builder: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Store paths it reads that no derivation makes. */
  sources: readonly string[];
  /** Derivation → outputs of it that are used. */
  inputs: ReadonlyMap<string, readonly string[]>;
  /** Output → path; null where it is not known before the build. */
  outputs: ReadonlyMap<string, string | null>;
};

/** Pairs that one comparison looks at: a NixOS system has some thousand derivations. */
export const PAIRS = 2_000;

type Pair = {
  before: string;
  after: string;
  depth: number;
  /** Set once both texts were looked at. */
  inputs: Inputs | null;
};
type Inputs = {
  matched: { before: string; after: string }[];
  added: string[];
  removed: string[];
};

/**
 * Follows two derivations downwards as far as they differ, level by level. Whoever has the store reads the texts that
 * are `wanted`, and tells them by `learn`, until nothing is wanted any more.
 */
export class DerivationWalk {
  readonly #pairs: Pair[] = [];
  readonly #seen = new Set<string>();
  readonly #texts = new Map<string, DerivationText>();
  readonly #most: number;
  #frontier: Pair[] = [];
  #bounded = false;

  constructor(before: string, after: string, most = PAIRS) {
    this.#most = most;
    this.#meet(before, after, 0);
  }

  /** Derivations whose texts are to be read. */
  wanted(): string[] {
    const drvs = this.#frontier.flatMap(({ before, after }) => [before, after]);
    return [...new Set(drvs)].filter((drv) => !this.#texts.has(drv));
  }

  /** @returns whether there is more to be read. A text that is missing ends its branch. */
  learn(texts: ReadonlyMap<string, DerivationText>): boolean {
    for (const [drv, text] of texts) this.#texts.set(drv, text);
    const level = this.#frontier;
    this.#frontier = [];
    for (const pair of level) {
      const before = this.#texts.get(pair.before);
      const after = this.#texts.get(pair.after);
      if (before === undefined || after === undefined) {
        this.#bounded = true;
        continue;
      }
      pair.inputs = match([...before.inputs.keys()], [...after.inputs.keys()]);
      for (const one of pair.inputs.matched) this.#meet(one.before, one.after, pair.depth + 1);
    }
    return this.#frontier.length > 0;
  }

  difference(): DerivationDifference {
    const top = this.#pairs[0]?.inputs ?? { matched: [], added: [], removed: [] };
    const inputs = [
      ...top.matched.map(({ before, after }) => ({ before: short(before), after: short(after) })),
      ...top.added.map((after) => ({ before: null, after: short(after) })),
      ...top.removed.map((before) => ({ before: short(before), after: null })),
    ];
    const origins = this.#pairs
      .flatMap((pair) => {
        const differs = this.#own(pair);
        return differs.length === 0 ? [] : [{ pair, differs }];
      })
      // What nothing below explains stands first, and of that the deepest.
      .toSorted(
        (a, b) => Number(hangs(a.pair)) - Number(hangs(b.pair)) || b.pair.depth - a.pair.depth,
      )
      .map(({ pair, differs }): Origin => ({
        before: short(pair.before),
        after: short(pair.after),
        differs: differs.slice(0, IMPACT.reasons),
      }));
    return {
      changed: top.matched.length,
      added: top.added.length,
      removed: top.removed.length,
      inputs: inputs.slice(0, IMPACT.inputs),
      origins: origins.slice(0, IMPACT.origins),
      bounded: this.#bounded || origins.length > IMPACT.origins,
    };
  }

  #meet(before: string, after: string, depth: number): void {
    const key = `${before} ${after}`;
    if (before === after || this.#seen.has(key)) return;
    if (this.#pairs.length >= this.#most) {
      this.#bounded = true;
      return;
    }
    this.#seen.add(key);
    const pair: Pair = { before, after, depth, inputs: null };
    this.#pairs.push(pair);
    this.#frontier.push(pair);
  }

  /** What differs in the text itself, where what it is built from is taken to be the same. */
  #own({ before, after, inputs }: Pair): string[] {
    const was = this.#texts.get(before);
    const is = this.#texts.get(after);
    if (was === undefined || is === undefined || inputs === null) return [];
    const renamed = inputs.matched.map(
      (one) => [this.#texts.get(one.before), this.#texts.get(one.after)] as const,
    );
    const substitutes = new Map<string, string>();
    for (const [old, fresh] of renamed)
      for (const [output, path] of old?.outputs ?? []) {
        const now = fresh?.outputs.get(output);
        if (path !== null && now != null) substitutes.set(path, now);
      }
    const same = (a: string | undefined, b: string | undefined): boolean =>
      a === b || (a !== undefined && b !== undefined && modulo(a, substitutes) === modulo(b, null));
    const found: string[] = [];
    if (was.system !== is.system) found.push("system");
    if (!same(was.builder, is.builder)) found.push("builder");
    if (was.args.length !== is.args.length || was.args.some((arg, at) => !same(arg, is.args[at])))
      found.push("arguments");
    if ([...was.outputs.keys()].toSorted().join() !== [...is.outputs.keys()].toSorted().join())
      found.push("outputs");
    for (const name of names(apart(was.sources, is.sources))) found.push(`source ${name}`);
    for (const drv of [...inputs.added, ...inputs.removed]) found.push(`input ${short(drv)}`);
    for (const [drv, used] of was.inputs) {
      const now = is.inputs.get(drv);
      if (now !== undefined && now.toSorted().join() !== used.toSorted().join())
        found.push(`input ${short(drv)}`);
    }
    for (const name of [...new Set([...Object.keys(was.env), ...Object.keys(is.env)])].toSorted())
      // Nix itself sets one for each output.
      if (!was.outputs.has(name) && !is.outputs.has(name) && !same(was.env[name], is.env[name]))
        found.push(`variable ${name}`);
    return found.map((reason) => reason.slice(0, 300));
  }
}

function hangs({ inputs }: Pair): boolean {
  return (inputs?.matched.length ?? 0) > 0;
}

/** Inputs that differ, side by side: by the same name first, then by the same package. */
function match(before: readonly string[], after: readonly string[]): Inputs {
  const there = new Set(after);
  const same = new Set(before.filter((drv) => there.has(drv)));
  let old = before.filter((drv) => !same.has(drv));
  let fresh = after.filter((drv) => !same.has(drv));
  const matched: Inputs["matched"] = [];
  for (const key of [nameOf, (drv: string) => packageOf(nameOf(drv)).name]) {
    const waiting = new Map<string, string[]>();
    for (const drv of fresh) waiting.set(key(drv), [...(waiting.get(key(drv)) ?? []), drv]);
    const taken = new Set<string>();
    old = old.filter((drv) => {
      const partner = waiting.get(key(drv))?.shift();
      if (partner === undefined) return true;
      matched.push({ before: drv, after: partner });
      taken.add(partner);
      return false;
    });
    fresh = fresh.filter((drv) => !taken.has(drv));
  }
  return { matched, added: fresh, removed: old };
}

/**
 * A text without the hashes of store paths: inputs and sources are compared themselves. Outputs of inputs that got
 * another name are given the name they have now.
 */
function modulo(text: string, substitutes: ReadonlyMap<string, string> | null): string {
  return text.replace(
    /\/nix\/store\/[0-9a-df-np-sv-z]{32}(-[A-Za-z0-9+._?=-]*)/gu,
    (path, name: string) => {
      const now = substitutes?.get(path);
      return `/nix/store/*${now === undefined ? name : now.slice("/nix/store/".length + 32)}`;
    },
  );
}

function apart(a: readonly string[], b: readonly string[]): string[] {
  const [left, right] = [new Set(a), new Set(b)];
  return [...a.filter((one) => !right.has(one)), ...b.filter((one) => !left.has(one))];
}

function names(paths: readonly string[]): string[] {
  return [...new Set(paths.map(nameOf))].toSorted();
}

function short(drv: string): string {
  return nameOf(drv).slice(0, 255);
}
