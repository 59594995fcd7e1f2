import { verify } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TreeSpecification } from "../../../src/protocol/specification.ts";
import type { RunJob } from "../../../src/runner/agent/job.ts";
import type { Isolation } from "../../../src/runner/isolation/index.ts";
import { jobRunner } from "../../../src/runner/jobs/index.ts";
import { provenanceText } from "../../../src/protocol/provenance.ts";
import { describeIsolated, isolationForTest } from "../isolation/support.ts";
import { flake } from "../nix/support.ts";
import type { GitServer } from "../source/git-server.ts";
import { gitServer } from "../source/git-server.ts";
import { KEYS, LIMITS, perform as performOn, specification } from "./perform.ts";

const TOKEN = `ghs_${"c3D4".repeat(10)}`;

/** `sha256:<base32>`, as Nix prints it, in hex. */
async function hexHash(isolation: Isolation, hash: string): Promise<string> {
  const shown = await isolation.run({ argv: ["nix", "hash", "to-base16", hash] });
  return `sha256:${new TextDecoder().decode(shown.stdout).trim()}`;
}

describeIsolated("jobs from specification to verdict", () => {
  let server: GitServer;
  let isolation: Isolation;
  let close: () => Promise<void>;
  let runJob: RunJob;
  beforeAll(async () => {
    server = await gitServer(TOKEN);
    const own = await isolationForTest({ uidBase: 52_800, egress: [`127.0.0.1:${server.port}`] });
    isolation = own.isolation;
    close = () => own.close();
    runJob = jobRunner();
  });
  afterAll(async () => {
    await close?.();
    await server?.close();
  });

  const limits = LIMITS;
  const perform = (spec: TreeSpecification) => performOn(runJob, isolation, spec, TOKEN);

  test("evaluates, builds the slice, and evaluates again what another store holds", async () => {
    const { sha, tree } = await server.commit("flake", {
      "flake.nix":
        flake(`packages.x86_64-linux = { a = mk "a" "echo > $out" []; b = mk "b" "exit 2" []; c = throw "c"; "d.e" = mk "de" "echo > $out" []; };
        nixosConfigurations.m.config.system.build.toplevel = mk "m" "echo > $out" [];`),
    });
    const source = {
      cloneUrl: server.url("flake"),
      ref: "refs/heads/main",
      sha,
      tree,
      revision: false,
    };
    const selections = [{ kind: "flake" as const, directory: ".", attributes: [], systems: null }];
    const first = await perform(specification(1, { kind: "evaluate", source, selections, limits }));
    expect(first.verdict).toEqual({ kind: "succeeded", reused: false });
    expect(first.attributes.map(({ path, result }) => [path.slice(-1)[0], result.kind])).toEqual(
      expect.arrayContaining([
        ["a", "derivation"],
        ["b", "derivation"],
        ["c", "error"],
        ["d.e", "derivation"],
        ["m", "derivation"],
      ]),
    );
    expect(first.evaluated).toMatchObject({
      evaluator: expect.stringMatching(/^nix \d/u),
      degraded: expect.stringContaining("nix-eval-jobs"),
      missing: [],
    });

    const derivations = first.attributes.flatMap(({ selection, path, result }) =>
      result.kind === "derivation" ? [{ selection, path, drv: result.derivation.path }] : [],
    );
    // Another runner's store is a fresh one: the derivations are not there.
    const other = await isolationForTest({ uidBase: 53_000, egress: [`127.0.0.1:${server.port}`] });
    try {
      const mine = isolation;
      isolation = other.isolation;
      const second = await perform(
        specification(2, { kind: "build", source, selections, derivations, limits }),
      );
      isolation = mine;
      expect(second.log).toContain("4 derivations are not in this runner's store");
      expect(second.verdict).toEqual({ kind: "succeeded", reused: false });
      expect(
        Object.fromEntries(second.results.map(({ path, verdict }) => [path.at(-1), verdict.kind])),
      ).toEqual({ a: "succeeded", b: "failed", "d.e": "succeeded", m: "succeeded" });
      for (const { path, drv, verdict: one, attestation } of second.results) {
        expect(attestation !== undefined, path.join(".")).toBe(one.kind === "succeeded");
        if (attestation === undefined) continue;
        const attested = { host: "snowcat.example", repository: 7, sha, path, drv };
        const text = Buffer.from(provenanceText(attested, attestation.outputs));
        const signature = Buffer.from(attestation.signature, "base64");
        expect(verify(null, text, KEYS.publicKey, signature)).toBe(true);
      }
      const [built] = second.results.find(({ path }) => path.at(-1) === "a")!.attestation!.outputs;
      const said = await other.isolation.run({
        argv: ["nix-store", "--query", "--hash", built!.path],
      });
      expect(
        `sha256:${Buffer.from(built!.narHash.slice("sha256-".length), "base64").toString("hex")}`,
      ).toBe(await hexHash(other.isolation, new TextDecoder().decode(said.stdout).trim()));
    } finally {
      await other.close();
    }
  });

  test("revision: true shows the flake its commit", async () => {
    const { sha, tree } = await server.commit("rev", {
      "flake.nix": flake(`packages.x86_64-linux.a = mk ("rev-" + self.rev) "echo > $out" [];`),
    });
    const { attributes } = await perform(
      specification(3, {
        kind: "evaluate",
        limits,
        selections: [
          {
            kind: "flake",
            directory: "",
            attributes: ["packages.x86_64-linux.a", "packages.x86_64-linux.gone"],
            systems: null,
          },
        ],
        source: { cloneUrl: server.url("rev"), ref: "refs/heads/main", sha, tree, revision: true },
      }),
    );
    expect(attributes).toEqual([
      expect.objectContaining({
        result: expect.objectContaining({
          kind: "derivation",
          derivation: expect.objectContaining({ name: `rev-${sha}` }),
        }),
      }),
    ]);
  });

  test.each([false, true])(
    "a flake in a folder sees the repository around it (revision: %s)",
    async (revision) => {
      const { sha, tree } = await server.commit(`sub-${revision}`, {
        "name.nix": '"outside"',
        "sub/flake.nix": flake(
          `packages.x86_64-linux = { a = mk (import ../name.nix) "echo > $out" []; b = throw "b"; };`,
        ),
      });
      const { attributes, verdict, evaluated } = await perform(
        specification(5, {
          kind: "evaluate",
          limits,
          selections: [{ kind: "flake", directory: "sub", attributes: [], systems: null }],
          source: {
            cloneUrl: server.url(`sub-${revision}`),
            ref: "refs/heads/main",
            sha,
            tree,
            revision,
          },
        }),
      );
      expect(verdict.kind).toBe("succeeded");
      expect(
        attributes.map(({ result }) =>
          result.kind === "derivation" ? result.derivation.name : result.position?.file,
        ),
      ).toEqual(["outside", "sub/flake.nix"]);
      expect(evaluated?.warnings).toEqual([]);
    },
  );

  test("a flake that does not parse is the job's verdict, with its place", async () => {
    const { sha, tree } = await server.commit("broken", {
      "sub/flake.nix": "{\n  outputs = ;\n}\n",
    });
    const { verdict } = await perform(
      specification(4, {
        kind: "evaluate",
        limits,
        selections: [{ kind: "flake", directory: "sub", attributes: [], systems: null }],
        source: {
          cloneUrl: server.url("broken"),
          ref: "refs/heads/main",
          sha,
          tree,
          revision: false,
        },
      }),
    );
    expect(verdict).toMatchObject({
      kind: "evaluation-error",
      position: { file: "sub/flake.nix", line: 2 },
    });
  });
});
