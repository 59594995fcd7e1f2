import { describe, expect, it } from "vitest";
import { BUILDER_KEY, knownProvenance, signed } from "../support/builder.ts";
import { attribute, built, drv, evaluating, evaluated, MERGE } from "./harness.ts";

const statement = (name: string) => signed(built(name), 42, MERGE);

describe("who built it", () => {
  it("stands at the attribute, in the archive and in what the Repo remembers", () =>
    evaluating({}, async ({ neighbours, run, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await frame(1, evaluated);
      await finish(1);
      await pass();
      await frame(2, { kind: "results", results: [built("a")] });
      await finish(2);
      await pass(60_000);
      const provenance = {
        ...statement("a").attestation,
        runner: "r1",
        key: BUILDER_KEY,
        sha: MERGE,
        path: ["packages", "x86_64-linux", "a"],
      };
      expect((await run.attributes(0, 10)).map((one) => one.provenance)).toEqual([provenance]);
      expect(neighbours.remembered.map((one) => one.provenance)).toEqual([provenance]);
      const archived = neighbours.blobs.get("runs/42-1/attributes-0.ndjson") ?? "";
      expect(JSON.parse(archived)).toMatchObject({ provenance });
    }));

  it("is the original builder where the verdict is reused", () =>
    evaluating(
      {},
      async ({ run, pass, frame, finish }) => {
        await frame(1, { kind: "attributes", attributes: [attribute("a")] });
        await finish(1);
        await pass();
        expect(await run.attributes(0, 10)).toMatchObject([
          { verdict: { kind: "succeeded", reused: true }, provenance: knownProvenance(drv("a")) },
        ]);
      },
      (neighbours) => {
        neighbours.known = [
          {
            drv: drv("a"),
            verdict: { kind: "succeeded", reused: false },
            run: "42-9",
            at: 999_000,
            seconds: 5,
            provenance: knownProvenance(drv("a")),
            log: null,
          },
        ];
      },
    ));

  it("must be known: a remembered success that nobody signed is built again", () =>
    evaluating(
      {},
      async ({ neighbours, pass, frame, finish }) => {
        await frame(1, { kind: "attributes", attributes: [attribute("a")] });
        await finish(1);
        await pass();
        expect(neighbours.queued[1]?.work.kind).toBe("build");
      },
      (neighbours) => {
        neighbours.known = [
          {
            drv: drv("a"),
            verdict: { kind: "succeeded", reused: false },
            run: "42-9",
            at: 999_000,
            seconds: 5,
            provenance: null,
            log: null,
          },
        ];
      },
    ));

  const whole = statement("a");
  const { attestation } = whole;
  const [output] = attestation!.outputs;
  it.each([
    ["another attribute's", { ...whole, attestation: statement("b").attestation }],
    [
      "another commit's",
      { ...whole, attestation: signed(built("a"), 42, "5".repeat(40)).attestation },
    ],
    ["another repository's", { ...whole, attestation: signed(built("a"), 43, MERGE).attestation }],
    [
      "for other bytes",
      {
        ...whole,
        attestation: {
          ...attestation!,
          outputs: [{ ...output!, narHash: `sha256-${"Z".repeat(43)}=` }],
        },
      },
    ],
    [
      "for another size",
      { ...whole, attestation: { ...attestation!, outputs: [{ ...output!, narSize: 121 }] } },
    ],
  ])("refuses a signature that is %s, and nothing counts", (_what, result) =>
    evaluating({}, async ({ run, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await finish(1);
      await pass();
      const sent = await frame(2, { kind: "results", results: [result] });
      expect(sent.join("\n")).toContain("is not signed with the key that runner r1 enrolled");
      expect((await run.view())?.counts).toEqual({});
    }),
  );

  it.each(["", "AAAA", btoa("x".repeat(32))])("refuses a runner whose enrolled key is %j", (key) =>
    evaluating({}, async ({ run, pass, frame, finish }) => {
      await frame(1, { kind: "attributes", attributes: [attribute("a")] });
      await finish(1);
      await pass();
      const sent = await frame(2, { kind: "results", results: [built("a")] }, { key });
      expect(sent.join("\n")).toMatch(/r1 has no enrolled key|not signed with the key/u);
      expect((await run.view())?.counts).toEqual({});
    }),
  );
});
