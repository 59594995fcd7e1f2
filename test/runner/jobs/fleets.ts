import { afterAll, beforeAll, expect } from "vitest";
import type { PlanWork, TreeSpecification } from "../../../src/protocol/specification.ts";
import type { Source } from "../../../src/protocol/source.ts";
import type { RunJob } from "../../../src/runner/agent/job.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { jobRunner } from "../../../src/runner/jobs/index.ts";
import { isolationForTest } from "../isolation/support.ts";
import type { GitServer } from "../source/git-server.ts";
import { gitServer } from "../source/git-server.ts";
import { LIMITS, perform as performOn, type Performed, specification } from "./perform.ts";

const TOKEN = `ghs_${"e5F6".repeat(10)}`;

/** Machines that share a package: closures with references, versions and sizes. */
export const fleet = (
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

/** Jobs of one runner about fleets. Two files that run at once must not share user numbers. */
export function fleets(uidBase: number) {
  let server: GitServer;
  let isolation: Isolation;
  let close: () => Promise<void>;
  let runJob: RunJob;
  let jobs = 0;
  beforeAll(async () => {
    server = await gitServer(TOKEN);
    const own = await isolationForTest({ uidBase, egress: [`127.0.0.1:${server.port}`] });
    isolation = own.isolation;
    close = () => own.close();
    runJob = jobRunner();
  });
  afterAll(async () => {
    await close?.();
    await server?.close();
  });

  const limits = LIMITS;
  const selectionsIn = (directory: string): TreeSpecification["work"]["selections"] => [
    { kind: "flake", directory, attributes: ["nixosConfigurations"], systems: null },
  ];
  const selections = selectionsIn(".");
  const perform = (work: TreeSpecification["work"], on = isolation): Promise<Performed> =>
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

  const read = (source: Source): Promise<Performed> =>
    perform({ kind: "evaluate", source, selections, limits });
  const plan = (work: PlanWork): Promise<Performed> => perform(work);
  return { commits, evaluate, build, impact, plan, read, port: () => server.port };
}
