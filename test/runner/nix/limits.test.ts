import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Attribute } from "../../../src/protocol/attribute.ts";
import { evaluate } from "../../../src/runner/nix/evaluate/index.ts";
import { run } from "../../../src/runner/process/index.ts";
import { describeIsolated } from "../isolation/support.ts";
import type { NixForTest } from "./support.ts";
import { flake, folder, nixForTest } from "./support.ts";

/** Holds on to about 20 bytes for each number. */
const EATS = `builtins.length (builtins.filter (s: s != "") (builtins.genList (i: builtins.concatStringsSep "" (builtins.genList (j: toString (i + j)) 10000)) 1000000))`;
const LOOPS = `builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = { key }: builtins.seq (builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: i) 100000)) [ { key = key + 1; } ]; })`;

describeIsolated("limits and the network of an evaluation", () => {
  let nix: NixForTest;
  let served: Map<string, Uint8Array>;
  let asked: string[];
  let port: number;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    served = new Map();
    asked = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? "");
      const found = served.get(request.url ?? "");
      if (found === undefined) response.writeHead(404).end();
      else response.end(found);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
    stop = () => new Promise((resolve) => server.close(() => resolve()));
    nix = await nixForTest(53_400, { egress: [`127.0.0.1:${port}`] });
  });
  afterAll(async () => {
    await nix?.close();
    await stop?.();
  });

  const limits = (lines: string): Record<string, string> => ({
    ".github/snowcat.yml": `version: 1\nlimits:\n${lines}`,
  });

  test("memory: the attribute that takes it is named, the others are evaluated", async () => {
    const { byName } = await nix.check({
      ...limits("  evaluation_bytes: 268435456\n"),
      "flake.nix": flake(`packages.x86_64-linux = {
        a = mk "a" "echo > $out" [];
        eats = mk "eats-\${toString (${EATS})}" "echo > $out" [];
        z = mk "z" "echo > $out" [];
      };`),
    });
    expect(byName.get("packages.x86_64-linux.eats")?.verdict).toMatchObject({
      kind: "evaluation-error",
      message: expect.stringContaining("more memory than the limit of 256 MiB"),
      position: { file: "flake.nix", line: 5 },
    });
    for (const name of ["a", "z"])
      expect(byName.get(`packages.x86_64-linux.${name}`)?.verdict.kind).toBe("succeeded");
  });

  test("time: what loops gets a part of it, the rest is for the others, and all of it ends", async () => {
    const began = performance.now();
    const { byName } = await nix.check({
      ...limits("  evaluation_seconds: 6\n"),
      "flake.nix": flake(`packages.x86_64-linux = {
        a = mk "a" "echo > $out" [];
        b = mk "b-\${toString (${LOOPS})}" "echo > $out" [];
        c = mk "c" "echo > $out" [];
        d = mk "d-\${toString (${LOOPS})}" "echo > $out" [];
        e = mk "e" "echo > $out" [];
      };`),
    });
    const kinds = Object.fromEntries(
      [...byName].map(([name, { verdict }]) => [name.split(".").at(-1), verdict.kind]),
    );
    expect(kinds).toEqual({
      a: "succeeded",
      b: "evaluation-error",
      c: "succeeded",
      d: "evaluation-error",
      e: "succeeded",
    });
    expect(byName.get("packages.x86_64-linux.b")?.logTail).toContain("took too long");
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  test("time: where all of it has passed, the rest is told to be unknown", async () => {
    const { rows } = await nix.check({
      ...limits("  evaluation_seconds: 2\n"),
      "flake.nix": flake(
        `packages = builtins.listToAttrs (map (name: { inherit name; value = builtins.listToAttrs (builtins.genList (i: { name = "l" + toString i; value = mk "l-\${toString (${LOOPS})}" "" []; }) 8); }) [ "x86_64-linux" "aarch64-linux" "riscv64-linux" ]);`,
      ),
    });
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) {
      expect(row.verdict.kind).toBe("evaluation-error");
      expect(row.logTail).toMatch(/time limit/u);
    }
  });

  test("every system that the flake names, one after the other as they are known", async () => {
    const checkout = await folder({
      "flake.nix": flake(`packages = builtins.listToAttrs (map (system: { name = system; value = {
        one = derivation { name = "one"; inherit system; builder = "/bin/sh"; }; bad = throw "bad on \${system}"; }; })
        [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "riscv64-linux" ]);`),
    });
    const packed = await run(["tar", "--create", "--directory", checkout, "."], {
      env: { PATH: process.env.PATH! },
    });
    await rm(checkout, { recursive: true });
    const tree = `${nix.workspace.directory}/systems`;
    await nix.workspace.launch({
      argv: ["sh", "-c", 'mkdir "$1" && tar -x -C "$1"', "sh", tree],
      input: packed.stdout,
      network: "none",
    });
    const seen = async (systems: string[] | null): Promise<Attribute[]> => {
      const attributes: Attribute[] = [];
      let done = false;
      const end = await evaluate({
        workspace: nix.workspace,
        version: nix.facts.version,
        tree,
        revision: null,
        selection: { kind: "flake", directory: "", attributes: [], systems },
        index: 0,
        seconds: 60,
        memoryBytes: 2 ** 31,
        imports: null,
        signal: new AbortController().signal,
        now: () => performance.now(),
        onAttribute: (attribute) => {
          expect(done).toBe(false);
          attributes.push(attribute);
        },
      });
      done = true;
      expect(end.kind).toBe("evaluated");
      return attributes;
    };
    const all = await seen(null);
    const told = all.map(({ system, path, result }) => `${system} ${path.at(-1)} ${result.kind}`);
    expect(told.toSorted()).toEqual(
      ["aarch64-linux", "riscv64-linux", "x86_64-darwin", "x86_64-linux"].flatMap((system) => [
        `${system} bad error`,
        `${system} one derivation`,
      ]),
    );
    const foreign = await seen(["riscv64-linux"]);
    expect(foreign.map(({ system }) => system)).toEqual(["riscv64-linux", "riscv64-linux"]);
  });

  test("an input and a file of a listed server come through the proxy; of another they do not", async () => {
    const input = await folder({
      "input/flake.nix": `{ outputs = { self }: { name = "from-the-input"; }; }`,
    });
    const { stdout } = await run(["tar", "--create", "--gzip", "--directory", input, "input"], {
      env: { PATH: process.env.PATH! },
    });
    await rm(input, { recursive: true });
    const text = new TextEncoder().encode("from-the-server");
    served.set("/input.tar.gz", stdout).set("/name", text);
    const sha256 = createHash("sha256").update(text).digest("hex");
    const { byName } = await nix.check({
      "flake.nix": `{
        inputs.other.url = "http://127.0.0.1:${port}/input.tar.gz";
        outputs = { self, other }: { packages.x86_64-linux = let mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }; in {
          input = mk other.name;
          file = mk (builtins.readFile (builtins.fetchurl { url = "http://127.0.0.1:${port}/name"; sha256 = "${sha256}"; }));
          elsewhere = mk (builtins.readFile (builtins.fetchurl { url = "http://127.0.0.1:9/name"; sha256 = "${sha256.replace(/^./u, "0")}"; }));
        }; };
      }`,
    });
    const verdict = (name: string) => byName.get(`packages.x86_64-linux.${name}`);
    expect(verdict("input")).toMatchObject({
      verdict: { kind: "succeeded" },
      drv: expect.stringContaining("-from-the-input.drv"),
    });
    expect(verdict("file")).toMatchObject({
      verdict: { kind: "succeeded" },
      drv: expect.stringContaining("-from-the-server.drv"),
    });
    expect(verdict("elsewhere")).toMatchObject({
      verdict: { kind: "evaluation-error", message: expect.stringContaining("127.0.0.1:9") },
    });
    expect(asked).toContain("/input.tar.gz");
  });
});
