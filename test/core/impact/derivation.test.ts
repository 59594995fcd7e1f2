import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DerivationText, DerivationWalk } from "../../../src/core/impact/derivation.ts";
import type { DerivationDifference } from "../../../src/protocol/impact.ts";

const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";

/** Another hash for every text (FNV-1a of 64 bits): what an input is, decides what stands on it. */
function hash(text: string): string {
  let state = 0xcbf29ce484222325n;
  for (const char of text)
    state = BigInt.asUintN(64, (state ^ BigInt(char.codePointAt(0) ?? 0)) * 0x100000001b3n);
  return Array.from({ length: 32 }, (_, at) =>
    ALPHABET.charAt(Number((state >> BigInt((at % 12) * 5)) & 31n)),
  ).join("");
}

type Recipe = { name: string; env: Record<string, string>; sources: string[]; needs: number[] };

/** Derivations of recipes, each of which needs earlier ones; as Nix would hash them. */
function instantiate(recipes: readonly Recipe[]) {
  const texts = new Map<string, DerivationText>();
  const drvs: string[] = [];
  const outs: string[] = [];
  for (const { name, env, sources, needs } of recipes) {
    const inputs = needs.map((need) => drvs[need] ?? "");
    const about = JSON.stringify([name, env, sources, inputs]);
    const out = `/nix/store/${hash(`out ${about}`)}-${name}`;
    const drv = `/nix/store/${hash(`drv ${about}`)}-${name}.drv`;
    texts.set(drv, {
      system: "x86_64-linux",
      builder: "/bin/sh",
      args: ["-c", `build ${needs.map((need) => outs[need]).join(" ")}`],
      env: { ...env, name, out, needs: needs.map((need) => outs[need]).join(" ") },
      sources,
      inputs: new Map(inputs.map((input) => [input, ["out"]])),
      outputs: new Map([["out", out]]),
    });
    drvs.push(drv);
    outs.push(out);
  }
  return { texts, top: drvs.at(-1) ?? "" };
}

function differ(before: Recipe[], after: Recipe[], most?: number): DerivationDifference {
  const [old, fresh] = [instantiate(before), instantiate(after)];
  const walk = new DerivationWalk(old.top, fresh.top, most);
  for (let more = true; more;) {
    const wanted = walk.wanted();
    const found = wanted.map((drv) => [drv, old.texts.get(drv) ?? fresh.texts.get(drv)] as const);
    more = walk.learn(
      new Map(found.flatMap(([drv, text]) => (text === undefined ? [] : [[drv, text] as const]))),
    );
  }
  return walk.difference();
}

const recipe = (name: string, needs: number[] = [], more: Partial<Recipe> = {}): Recipe => ({
  name,
  env: {},
  sources: [],
  needs,
  ...more,
});
const source = (of: string) => `/nix/store/${hash(of)}-source`;

describe("two derivations", () => {
  const libc = recipe("libc-2.39");
  const nginx = recipe("nginx-1.24", [0]);
  const machine = recipe("nixos-system-web1", [0, 1]);

  it("differ where a package below them got another version, not where that is only passed on", () => {
    const found = differ(
      [libc, nginx, machine],
      [libc, recipe("nginx-1.26", [0], { env: { version: "1.26" } }), machine],
    );
    expect(found).toEqual({
      changed: 1,
      added: 0,
      removed: 0,
      inputs: [{ before: "nginx-1.24", after: "nginx-1.26" }],
      origins: [
        {
          before: "nginx-1.24",
          after: "nginx-1.26",
          differs: ["variable name", "variable version"],
        },
      ],
      bounded: false,
    });
  });

  it("begin to differ at the bottom, with what differs by itself above it named behind", () => {
    const found = differ(
      [libc, nginx, machine],
      [
        recipe("libc-2.39", [], { sources: [source("patched")] }),
        nginx,
        recipe("nixos-system-web1", [0, 1], { env: { hosts: "a b" } }),
      ],
    );
    expect(found.origins).toEqual([
      { before: "libc-2.39", after: "libc-2.39", differs: ["source source"] },
      {
        before: "nixos-system-web1",
        after: "nixos-system-web1",
        differs: ["variable hosts"],
      },
    ]);
    expect(found.changed).toBe(2);
  });

  it("have inputs that came and went", () => {
    const found = differ([libc, nginx, recipe("m", [0])], [libc, nginx, recipe("m", [1])]);
    expect(found).toMatchObject({
      changed: 0,
      added: 1,
      removed: 1,
      inputs: [
        { before: null, after: "nginx-1.24" },
        { before: "libc-2.39", after: null },
      ],
    });
    expect(found.origins[0]?.differs).toEqual(
      expect.arrayContaining(["input nginx-1.24", "input libc-2.39"]),
    );
  });

  it("are followed so far and no further, which is said", () => {
    const chain = (version: string) =>
      Array.from({ length: 50 }, (_, at) =>
        recipe(`p${at}`, at === 0 ? [] : [at - 1], at === 0 ? { env: { version } } : {}),
      );
    expect(differ(chain("1"), chain("2"), 10)).toMatchObject({ bounded: true, origins: [] });
    expect(differ(chain("1"), chain("2"))).toMatchObject({
      bounded: false,
      origins: [{ before: "p0", after: "p0", differs: ["variable version"] }],
    });
  });

  const graphs = fc
    .array(
      fc.record({
        needs: fc.array(fc.nat(20), { maxLength: 4 }),
        source: fc.nat(3),
        version: fc.nat(2),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((list) =>
      list.map(({ needs, source: of, version }, at) =>
        recipe(
          `p${at}-${version}`,
          at === 0 ? [] : [...new Set([at - 1, ...needs.map((need) => need % at)])],
          { sources: [source(String(of))] },
        ),
      ),
    );

  it("that are the same differ in nothing", () => {
    fc.assert(
      fc.property(graphs, (recipes) => {
        expect(differ(recipes, recipes)).toMatchObject({ changed: 0, origins: [], inputs: [] });
      }),
    );
  });

  it("name exactly those as origins whose own text was changed", () => {
    fc.assert(
      fc.property(graphs, fc.array(fc.nat(11), { minLength: 1, maxLength: 3 }), (recipes, at) => {
        const edited = new Set(at.map((index) => index % recipes.length));
        const after = recipes.map((one, index) =>
          edited.has(index) ? { ...one, env: { ...one.env, edited: "yes" } } : one,
        );
        const found = differ(recipes, after);
        expect(new Set(found.origins.map(({ after: name }) => name))).toEqual(
          new Set([...edited].map((index) => recipes[index]?.name)),
        );
        for (const { differs } of found.origins) expect(differs).toEqual(["variable edited"]);
      }),
    );
  });
});
