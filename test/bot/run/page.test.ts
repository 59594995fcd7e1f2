import { expect, it } from "vitest";
import type { StoredImpact } from "../../../src/bot/objects/run/rows.ts";
import { BASE, drv, evaluating } from "./harness.ts";

it("a run's page names every machine, and what changes inside of as many as an answer can hold", () =>
  evaluating({}, async ({ sql, run }) => {
    expect(await run.impact()).toBeNull();
    const impact: StoredImpact = {
      state: "compared",
      base: BASE,
      tree: null,
      committedAt: null,
      wanted: true,
      why: null,
      revision: "unread",
      looked: "over",
      left: null,
      uncovered: ["gone"],
      section: null,
    };
    const differs = { base: BASE, of: 3, changed: 3, revision: 0, added: 0, removed: 0 };
    sql.exec(
      "UPDATE run SET impact = ?, differs = ?",
      JSON.stringify(impact),
      JSON.stringify(differs),
    );
    const large = {
      before: drv("a"),
      after: drv("b"),
      derivation: { kind: "unknown", why: "" },
      closure: { kind: "unknown", why: "y".repeat(1_500_000) },
    };
    for (const name of ["x1", "x2", "x3"])
      sql.exec(
        "INSERT INTO machine (machine, selection, attribute, change, before, after, difference) VALUES (?, 'flake:.', ?, 'changed', '', '', ?)",
        name,
        `nixosConfigurations.${name}`,
        JSON.stringify(large),
      );
    const shown = await run.impact();
    expect(shown).toMatchObject({ state: { kind: "compared" }, uncovered: ["gone"] });
    expect(shown?.machines.map((one) => [one.machine, one.difference !== null])).toEqual([
      ["x1", true],
      ["x2", true],
      ["x3", false],
    ]);
  }));
