import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fetchCause } from "../../../src/runner/nix/build/fetch.ts";
import { runMemory } from "../../../src/runner/nix/build/failure.ts";
import type { GraphNode } from "../../../src/runner/nix/store/derivations.ts";
import { describeIsolated } from "../isolation/support.ts";
import { buildAllIn, instantiateIn } from "./building.ts";
import type { NixForTest } from "./support.ts";
import { nixForTest } from "./support.ts";

const node = (fixedOutput: boolean): GraphNode => ({
  drv: `/nix/store/${"0".repeat(32)}-src.drv`,
  name: "src",
  system: "x86_64-linux",
  features: [],
  fixedOutput,
  outputs: new Map(),
  inputs: new Map(),
});
const failed = { kind: "failed", exitCode: 1 } as const;

describe("whose fault a fetch is", () => {
  test.each([
    ["error: unable to download 'https://x.example/a': HTTP error 429 ('')", "infrastructure"],
    ["error: unable to download 'https://x.example/a': HTTP error 403 ('')", "infrastructure"],
    ["error: unable to download 'https://x.example/a': HTTP error 503 ('')", "infrastructure"],
    ["error: unable to download 'https://x.example/a': HTTP error 404 ('')", "failed"],
    ["error: unable to download 'https://x.example/a': HTTP error 410", "failed"],
    ["error: unable to download 'https://x.example/a': HTTP error 401", "failed"],
    [
      "error: unable to download 'https://x.example/a': Couldn't resolve host name (6)",
      "infrastructure",
    ],
    [
      "error: unable to download 'https://x.example/a': Couldn't connect to server (7)",
      "infrastructure",
    ],
    ["error: unable to download 'https://x.example/a': Timeout was reached (28)", "infrastructure"],
    ["error: unable to download 'file:///gone': Couldn't read a file:// file (37)", "failed"],
    ["curl: (22) The requested URL returned error: 429", "infrastructure"],
    ["curl: (22) The requested URL returned error: 404", "failed"],
    ["curl: (6) Could not resolve host: x.example", "infrastructure"],
    ["curl: (56) Recv failure: Connection reset by peer", "infrastructure"],
    ["curl: (3) URL using bad/illegal format or missing URL", "failed"],
    ["2026-01-01 00:00:00 ERROR 429: Too Many Requests.", "infrastructure"],
    ["HTTP request sent, awaiting response... 502 Bad Gateway", "infrastructure"],
    [
      "fatal: unable to access 'https://x.example/r/': The requested URL returned error: 500",
      "infrastructure",
    ],
    [
      "fatal: unable to access 'https://x.example/r/': Could not resolve host: x.example",
      "infrastructure",
    ],
    ["fatal: fetch-pack: unexpected disconnect while reading sideband packet", "infrastructure"],
    ["fatal: couldn't find remote ref refs/heads/gone", "failed"],
    [
      "trying mirror: curl: (22) The requested URL returned error: 429\ntrying next: curl: (22) The requested URL returned error: 404",
      "failed",
    ],
    [
      "curl: (22) The requested URL returned error: 404\ncurl: (22) The requested URL returned error: 429\nerror: cannot download src from any mirror",
      "infrastructure",
    ],
    ["make: *** [Makefile:3: all] Error 2", "failed"],
    ["", "failed"],
  ])("%s", (log, kind) => {
    expect(fetchCause(node(true), failed, log).kind).toBe(kind);
    // What has no business with the network gets no second try for talking about it.
    expect(fetchCause(node(false), failed, log).kind).toBe("failed");
  });

  test("a hash that differs stays one, whatever was printed before", () => {
    const mismatch = { kind: "hash-mismatch", specified: "a", got: "b" } as const;
    expect(fetchCause(node(true), mismatch, "HTTP error 429")).toBe(mismatch);
  });
});

describeIsolated("fetches that fail, by real Nix", () => {
  let nix: NixForTest;
  const asked = new Map<string, number>();
  const server = createServer(({ url = "" }, answer) => {
    const path = new URL(url, "http://x").pathname;
    const times = (asked.get(path) ?? 0) + 1;
    asked.set(path, times);
    const status = path === "/once" ? (times === 1 ? 429 : 200) : Number(path.slice(1));
    answer.writeHead(status).end("content\n");
  });
  let port = 0;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
    nix = await nixForTest(58_400, {
      egress: [`127.0.0.1:${port}`],
      // Nix itself asks again too, for seconds; here it is counted how often we do.
      nix: { "download-attempts": "1" },
    });
  });
  afterAll(async () => {
    await nix?.close();
    server.close();
  });

  test("are tried once more by a later job where the other side is at fault, and not else", async () => {
    const hash = "sha256-Q0hqbzE0OEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFk=";
    const fetch = (path: string, sha256 = hash) =>
      `import <nix/fetchurl.nix> { name = "f${path.slice(1)}"; url = "http://127.0.0.1:${port}${path}"; sha256 = "${sha256}"; }`;
    // Of `content\n`.
    const right = "sha256-Q0copBCnj1b8G1iZw1k0NuYasMcx6QctleltspAgXlM=";
    const drvs = await instantiateIn(
      nix,
      `let once = ${fetch("/once", right)}; in {
        inherit once; above = mk "above" "echo > $out" [ once ];
        busy = ${fetch("/429")}; broken = ${fetch("/500")}; gone = ${fetch("/404")}; other = ${fetch("/200")};
        own = mk "own" "echo 'HTTP error 429' >&2; exit 1" [];
      }`,
    );
    let clock = 0;
    const memory = runMemory();
    const job = async () => {
      const { verdicts } = await buildAllIn(nix, drvs, { memory, now: () => clock });
      return Object.fromEntries([...verdicts].map(([name, { verdict }]) => [name, verdict.kind]));
    };
    const first = {
      once: "infrastructure",
      above: "infrastructure",
      busy: "infrastructure",
      broken: "infrastructure",
      gone: "failed",
      other: "hash-mismatch",
      own: "failed",
    };
    expect(await job()).toEqual(first);
    // Another slice of the same run, which is being built at the same time, learns of it and does not ask again.
    clock += 5_000;
    expect(await job()).toEqual(first);
    expect(asked.get("/429")).toBe(1);
    clock += 30_000;
    expect(await job()).toEqual({ ...first, once: "succeeded", above: "succeeded" });
    clock += 30_000;
    expect(await job()).toEqual({ ...first, once: "succeeded", above: "succeeded" });
    expect(Object.fromEntries(asked)).toEqual({
      "/once": 2,
      "/429": 2,
      "/500": 2,
      "/404": 1,
      "/200": 1,
    });
  });
});
