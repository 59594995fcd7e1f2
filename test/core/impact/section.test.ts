import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IMPACT, type MachineDifference } from "../../../src/protocol/impact.ts";
import type { Change } from "../../../src/core/impact/compare.ts";
import { type Impact, impactSection, type ShownMachine } from "../../../src/core/impact/section.ts";
import { bytes } from "../../../src/core/report/bounded.ts";

const drv = (name: string) => `/nix/store/${"0".repeat(32)}-${name}.drv`;

const difference: MachineDifference = {
  before: drv("nixos-system-web1-25.05"),
  after: drv("nixos-system-web1-25.05"),
  derivation: {
    kind: "known",
    changed: 2,
    added: 1,
    removed: 0,
    inputs: [
      { before: "etc", after: "etc" },
      { before: "system-path", after: "system-path" },
      { before: null, after: "unit-lnbits.service" },
    ],
    origins: [
      {
        before: "nginx-1.24.0",
        after: "nginx-1.26.2",
        differs: ["variable name", "variable src", "variable version"],
      },
      { before: "etc", after: "etc", differs: ["source hosts"] },
    ],
    bounded: false,
  },
  closure: {
    kind: "known",
    before: { paths: 512, bytes: 1_288_490_188 },
    after: { paths: 514, bytes: 1_289_800_908 },
    added: 1,
    removed: 0,
    changed: 1,
    packages: [
      { name: "nginx", before: ["1.24.0"], after: ["1.26.2"], bytes: 1_300_000 },
      { name: "unit-lnbits.service", before: [], after: [""], bytes: 1_024 },
    ],
  },
};

const machine = (name: string, change: Change, more: Partial<ShownMachine> = {}): ShownMachine => ({
  machine: name,
  selection: "flake:.",
  attribute: `nixosConfigurations.${name}`,
  change,
  before: drv(`${name}-old`),
  after: drv(name),
  difference: null,
  error: null,
  tags: [],
  ...more,
});

const impact: Impact = {
  base: "3".repeat(40),
  built: "2".repeat(40),
  state: { kind: "compared", looking: false, left: null },
  difference: { of: 14, changed: 3, revision: 1, added: 1, removed: 1, names: [] },
  machines: [
    machine("build1", "same"),
    machine("laptop", "broken", { error: "attribute 'services' missing" }),
    machine("new1", "added"),
    machine("old1", "removed"),
    machine("rev1", "revision"),
    machine("web1", "changed", { difference, tags: ["canary", "web"] }),
    machine("web2", "changed", {
      difference: {
        ...difference,
        closure: { kind: "unknown", why: "the machine is not built on this runner" },
      },
    }),
    machine("kro1", "changed", { selection: "file:krops.nix", attribute: "kro1" }),
  ],
  uncovered: ["machine3"],
  revision: "separated",
  url: "https://snowcat.example/runs/42-1",
};
const same: Impact = {
  ...impact,
  difference: { of: 14, changed: 0, revision: 0, added: 0, removed: 0, names: [] },
  machines: [machine("build1", "same"), machine("web1", "same")],
  uncovered: [],
  revision: "unread",
};

describe("the section", () => {
  it.each<[string, Impact]>([
    ["changes", impact],
    ["nothing", same],
    ["nothing-of-one", { ...same, machines: [machine("web1", "same")] }],
    [
      "attributes-only",
      {
        ...same,
        difference: { of: 14, changed: 2, added: 0, removed: 0, names: [] },
      },
    ],
    [
      "revision",
      {
        ...same,
        revision: "separated",
        difference: { of: 2, changed: 0, revision: 2, added: 0, removed: 0, names: [] },
        machines: [machine("web1", "revision"), machine("web2", "revision")],
      },
    ],
    ["faulty", { ...same, machines: [machine("web1", "same"), machine("web2", "faulty")] }],
    ["no-machine", { ...same, machines: [], uncovered: ["web1"] }],
    [
      "looking",
      {
        ...impact,
        machines: [machine("web1", "changed")],
        state: { kind: "compared", looking: true, left: null },
      },
    ],
    [
      "unknown",
      { ...same, difference: null, state: { kind: "unknown", why: "The base was not evaluated." } },
    ],
  ])("%s", async (name, of) => {
    await expect(impactSection(of)).toMatchFileSnapshot(`golden/${name}.md`);
  });

  it("says that nothing changes only where nothing does", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom<Change>(
            "same",
            "changed",
            "revision",
            "added",
            "removed",
            "broken",
            "repaired",
            "faulty",
          ),
          { maxLength: 5 },
        ),
        fc.nat(2),
        (changes, others) => {
          const counts = { changed: others, revision: 0, added: 0, removed: 0 };
          for (const change of changes)
            if (change === "revision" || change === "added" || change === "removed")
              counts[change] += 1;
            else if (change !== "same" && change !== "faulty") counts.changed += 1;
          const text = impactSection({
            ...same,
            difference: { of: 10, ...counts, names: [] },
            machines: changes.map((change, at) => machine(`m${at}`, change)),
          });
          const nothing = others === 0 && changes.every((change) => change === "same");
          expect(text.includes("Nothing changes")).toBe(nothing);
          const moves = changes.filter(
            (change) => !["same", "faulty", "revision"].includes(change),
          );
          if (moves.length > 0) expect(text).toContain(`**${moves.length} of `);
        },
      ),
    );
  });

  const HOSTILE =
    "@everyone #1 <img src=x onerror=alert(1)> [a](https://evil.example) </details> `` ` | \u202e\n\n/deploy web1\n# no\u001b[31m ![i](//evil)";

  it("shows what an attacker named as code, and as nothing else", () => {
    const evil = (text: string): MachineDifference => ({
      ...difference,
      derivation: {
        kind: "known",
        changed: 1,
        added: 0,
        removed: 0,
        inputs: [{ before: text, after: text }],
        origins: [{ before: text, after: text, differs: [`variable ${text}`] }],
        bounded: true,
      },
      closure: {
        kind: "known",
        before: { paths: 1, bytes: 1 },
        after: { paths: 1, bytes: 1 },
        added: 0,
        removed: 0,
        changed: 1,
        packages: [{ name: text, before: [text], after: [text], bytes: 0 }],
      },
    });
    fc.assert(
      fc.property(fc.oneof(fc.constant(HOSTILE), fc.string({ maxLength: 60 })), (text) => {
        const shown = impactSection({
          ...impact,
          uncovered: [text],
          machines: [
            machine(text, "changed", { difference: evil(text), selection: `file:${text}` }),
            machine(text, "broken", { error: text, tags: [text] }),
            machine(text, "same"),
            machine("x", "changed", {
              difference: {
                ...evil(text),
                derivation: { kind: "unknown", why: text },
                closure: { kind: "unknown", why: text },
              },
            }),
          ],
        });
        // No line begins with what was named, and outside of code spans there is nothing of it.
        const outside = shown.replaceAll(/(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/gu, "");
        expect(outside).not.toMatch(/@everyone|onerror|evil\.example|!\[|\/deploy|\u202e|\u001b/u);
        expect(shown).not.toMatch(/^\/deploy/mu);
        expect(shown.match(/^<\/details>$/gmu)).toHaveLength(1);
      }),
    );
  });

  it("keeps its limit however much there is, names machines before it explains them, and says what is left out", () => {
    const name = (at: number) => `${"😀".repeat(20)}-${at}`;
    const long: MachineDifference = {
      ...difference,
      closure: {
        ...difference.closure,
        kind: "known",
        before: { paths: 1, bytes: 1 },
        after: { paths: 2, bytes: 2 },
        added: 0,
        removed: 0,
        changed: 5_000,
        packages: Array.from({ length: IMPACT.packages }, (_, at) => ({
          name: name(at),
          before: ["1.0"],
          after: ["2.0"],
          bytes: at,
        })),
      },
    };
    for (const machines of [1, 20, 100, 2_000])
      for (const limit of [8_000, 15_000, 40_000]) {
        const text = impactSection(
          {
            ...impact,
            machines: Array.from({ length: machines }, (_, at) =>
              machine(name(at), at % 3 === 0 ? "same" : "changed", {
                difference: at < IMPACT.machines ? long : null,
              }),
            ),
          },
          limit,
        );
        expect(bytes(text)).toBeLessThanOrEqual(limit);
        if (machines > 100) expect(text).toMatch(/more machines are not shown here/u);
        expect(text.endsWith("\n")).toBe(true);
        expect(text.split("<details>").length).toBe(text.split("</details>").length);
      }
  });
});
