import { posix } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Source, Specification } from "../../../src/protocol/specification.ts";
import type { RunJob } from "../../../src/runner/agent/job.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { jobRunner } from "../../../src/runner/jobs/index.ts";
import { describeIsolated, isolationForTest } from "../isolation/support.ts";
import type { GitServer } from "../source/git-server.ts";
import { gitServer } from "../source/git-server.ts";
import { LIMITS, perform as performOn, type Performed, specification } from "./perform.ts";

const TOKEN = `ghs_${"e5F6".repeat(10)}`;

/** Machines that share a package: closures with references, versions and sizes. */
const fleet = (
  version: string,
  more: { kilobytes?: number; revision?: string; broken?: string } = {},
) => ({
  "flake.nix": `{ outputs = { self }: let
    mk = name: script: attributes: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-euc" script ]; } // attributes);
    nginx = mk "nginx-${version}" "mkdir -p $out; yes | head -c ${(more.kilobytes ?? 1) * 1_024} > $out/nginx" { version = "${version}"; };
    libc = mk "libc-2.39" "echo libc > $out" { };
    machine = name: attributes: { config.system.build.toplevel = mk "nixos-system-\${name}-25.05" "mkdir -p $out; echo $needs > $out/needs" attributes; };
  in {
    nixosConfigurations.web = machine "web" { needs = [ nginx libc ]; };
    nixosConfigurations.plain = machine "plain" { needs = [ libc ]; };
    nixosConfigurations.marked = machine "marked" { needs = [ ]; revision = ${more.revision ?? '"none"'}; };
    ${more.broken ?? ""}
  }; }`,
});

describeIsolated("how machines differ from the base's", () => {
  let server: GitServer;
  let isolation: Isolation;
  let close: () => Promise<void>;
  let runJob: RunJob;
  let jobs = 0;
  beforeAll(async () => {
    server = await gitServer(TOKEN);
    const own = await isolationForTest({ uidBase: 55_600, egress: [`127.0.0.1:${server.port}`] });
    isolation = own.isolation;
    close = () => own.close();
    runJob = jobRunner();
  });
  afterAll(async () => {
    await close?.();
    await server?.close();
  });

  const limits = LIMITS;
  const selectionsIn = (directory: string): Specification["work"]["selections"] => [
    { kind: "flake", directory, attributes: ["nixosConfigurations"], systems: null },
  ];
  const selections = selectionsIn(".");
  const perform = (work: Specification["work"], on = isolation): Promise<Performed> =>
    performOn(runJob, on, specification((jobs += 1), work), TOKEN);
  /** A base and a commit on it. */
  const commits = async (
    before: Record<string, string>,
    after: Record<string, string>,
    revision = false,
  ): Promise<{ base: Source; head: Source; committedAt: number }> => {
    const name = `fleet${(jobs += 1)}`;
    const first = await server.commit(name, before);
    const { committedAt, ...second } = await server.next(name, after);
    const source = { cloneUrl: server.url(name), ref: "refs/heads/main", revision };
    return {
      base: { ...source, sha: first.sha, tree: first.tree },
      head: { ...source, ...second },
      committedAt,
    };
  };
  const evaluate = async (source: Source, directory = "."): Promise<Map<string, string>> => {
    const { attributes, verdict } = await perform({
      kind: "evaluate",
      source,
      selections: selectionsIn(directory),
      limits,
    });
    expect(verdict).toEqual({ kind: "succeeded", reused: false });
    return new Map(
      attributes.flatMap(({ path, result }) =>
        result.kind === "derivation" ? [[path.at(-1) ?? "", result.derivation.path]] : [],
      ),
    );
  };
  const build = async (source: Source, drvs: Map<string, string>): Promise<void> => {
    const derivations = [...drvs].map(([name, drv]) => ({
      selection: 0,
      path: ["nixosConfigurations", name],
      drv,
    }));
    const { results } = await perform({ kind: "build", source, selections, derivations, limits });
    expect(new Set(results.map(({ verdict }) => verdict.kind))).toEqual(new Set(["succeeded"]));
  };
  const impact = (
    base: Source,
    source: Source,
    before: Map<string, string>,
    after: Map<string, string>,
    names: readonly string[],
    on = isolation,
  ): Promise<Performed> =>
    perform(
      {
        kind: "impact",
        base,
        source,
        selections,
        limits,
        machines: names.map((name) => ({
          selection: 0,
          path: ["nixosConfigurations", name],
          before: before.get(name) ?? "",
          after: after.get(name) ?? "",
        })),
      },
      on,
    );

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

  test("names the machines of an inventory; one that is none of clan's changes nothing but a warning", async () => {
    const inventory = (machines: string) =>
      fleet("5.0", { broken: `clan.inventory.machines = ${machines};` });
    const { base, head } = await commits(
      inventory(
        '{ web = { tags = [ "a" 7 ]; machineClass = "darwin"; }; "x.y" = { tags = _: 1; deploy = throw "not read"; }; }',
      ),
      inventory('throw "no inventory"'),
    );
    const read = (source: Source) => perform({ kind: "evaluate", source, selections, limits });
    const good = await read(base);
    expect(good.evaluated?.inventory).toEqual([
      { selection: 0, machine: "web", class: "darwin", tags: ["a"] },
      { selection: 0, machine: "x.y", class: "nixos", tags: [] },
    ]);
    const bad = await read(head);
    expect(bad.verdict.kind).toBe("succeeded");
    expect(bad.attributes).toHaveLength(3);
    expect(bad.evaluated?.warnings.join()).toContain("clan's inventory cannot be read");
    expect(bad.evaluated?.inventory).toBeUndefined();
  });

  test("is told by derivation alone where outputs are not there, by evaluating again where the store has nothing", async () => {
    const { base, head } = await commits(fleet("2.0"), fleet("2.1"));
    const [before, after] = [await evaluate(base), await evaluate(head)];
    const here = await impact(base, head, before, after, ["web"]);
    expect(here.impact[0]).toMatchObject({
      derivation: { kind: "known", changed: 1 },
      closure: { kind: "unknown", why: "the machine is not built on this runner" },
    });
    // Another runner has neither derivation.
    const other = await isolationForTest({ uidBase: 55_800, egress: [`127.0.0.1:${server.port}`] });
    try {
      const there = await impact(base, head, before, after, ["web"], other.isolation);
      expect(there.log).toContain("evaluating them again");
      expect(there.impact).toEqual(here.impact);
    } finally {
      await other.close();
    }
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

  test.each([".", "infra"])(
    "is none but the revision where the base's tree (flake in %s), shown under it, gives the same derivation",
    async (directory) => {
      const reads = { revision: "self.rev + toString self.lastModified" };
      const inside = (files: Record<string, string>) =>
        Object.fromEntries(
          Object.entries(files).map(([name, text]) => [posix.join(directory, name), text]),
        );
      const { base, head, committedAt } = await commits(
        inside(fleet("4.0", reads)),
        inside(fleet("4.1", reads)),
        true,
      );
      const [before, after] = [await evaluate(base, directory), await evaluate(head, directory)];
      expect(after.get("marked")).not.toBe(before.get("marked"));
      const shown = (sha: string) =>
        evaluate(
          { ...base, revision: false, shownAs: { sha, lastModified: committedAt } },
          directory,
        );
      const under = await shown(head.sha);
      expect(under.get("marked")).toBe(after.get("marked"));
      expect(under.get("web")).toBe(before.get("web"));
      expect(under.get("web")).not.toBe(after.get("web"));
      // Another revision is another one: nothing is called the same that is not.
      expect((await shown("5".repeat(40))).get("marked")).not.toBe(after.get("marked"));
    },
  );
});
