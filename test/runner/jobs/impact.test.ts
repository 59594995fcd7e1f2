import { expect, test } from "vitest";
import { describeIsolated } from "../isolation/support.ts";
import { fleet, fleets } from "./fleets.ts";

describeIsolated("how machines differ from the base's", () => {
  const { commits, evaluate, build, impact } = fleets(55_600);

  test("is told by derivation and by closure: versions, sizes, and where it begins", async () => {
    const { base, head } = await commits(fleet("1.24.0"), fleet("1.26.2", { kilobytes: 64 }));
    const before = await evaluate(base);
    await build(base, before);
    const after = await evaluate(head);
    expect(after.get("plain")).toBe(before.get("plain"));
    await build(head, after);
    const { impact: found, verdict } = await impact(base, head, before, after, ["web"]);
    expect(verdict).toEqual({ kind: "succeeded", reused: false });
    expect(found).toHaveLength(1);
    const [web] = found;
    expect(web?.derivation).toEqual({
      kind: "known",
      changed: 1,
      added: 0,
      removed: 0,
      inputs: [{ before: "nginx-1.24.0", after: "nginx-1.26.2" }],
      origins: [
        {
          before: "nginx-1.24.0",
          after: "nginx-1.26.2",
          differs: ["arguments", "variable name", "variable version"],
        },
      ],
      bounded: false,
    });
    expect(web?.closure).toMatchObject({
      kind: "known",
      before: { paths: 3 },
      after: { paths: 3 },
      added: 0,
      removed: 0,
      changed: 1,
      packages: [{ name: "nginx", before: ["1.24.0"], after: ["1.26.2"], bytes: 63 * 1_024 }],
    });
    if (web?.closure.kind === "known")
      expect(web.closure.after.bytes - web.closure.before.bytes).toBe(63 * 1_024);
  });

  test("of one machine is told though another's derivation cannot be had", async () => {
    const { base, head } = await commits(fleet("3.0"), fleet("3.1"));
    const [before, after] = [await evaluate(base), await evaluate(head)];
    const gone = new Map(before).set("plain", `/nix/store/${"0".repeat(32)}-gone.drv`);
    const { impact: found, verdict } = await impact(base, head, gone, after, ["plain", "web"]);
    expect(verdict).toEqual({ kind: "succeeded", reused: false });
    expect(found.map(({ derivation }) => derivation.kind)).toEqual(["unknown", "known"]);
    expect(found[0]?.derivation).toMatchObject({
      why: "the derivation of the base is not in this runner's store: evaluating it again did not give the same derivation",
    });
  });

  test("is none but the revision where the base's tree, shown under it, gives the same derivation", async () => {
    const reads = { revision: "self.rev + toString self.lastModified" };
    const { base, head, committedAt } = await commits(
      fleet("4.0", reads),
      fleet("4.1", reads),
      true,
    );
    const [before, after] = [await evaluate(base), await evaluate(head)];
    expect(after.get("marked")).not.toBe(before.get("marked"));
    const shown = (sha: string) =>
      evaluate({ ...base, revision: false, shownAs: { sha, lastModified: committedAt } });
    const under = await shown(head.sha);
    expect(under.get("marked")).toBe(after.get("marked"));
    expect(under.get("web")).toBe(before.get("web"));
    expect(under.get("web")).not.toBe(after.get("web"));
    // Another revision is another one: nothing is called the same that is not.
    expect((await shown("5".repeat(40))).get("marked")).not.toBe(after.get("marked"));
  });
});
