import { describe, expect, it } from "vitest";
import type { DataReply, ToRun } from "../../../src/protocol/data.ts";
import { AttemptTalk } from "../../../src/runner/agent/run-talk.ts";
import { returned } from "../../../src/runner/nix/build/needs.ts";
import { Partners } from "../../../src/runner/nix/build/partners.ts";
import { within } from "../../../src/runner/nix/build/plan.ts";
import {
  daemonSettings,
  ExchangeConfiguration,
  exchangeId,
} from "../../../src/runner/nix/exchange/configuration.ts";
import type { Exchange } from "../../../src/runner/nix/exchange/exchange.ts";
import type { GraphNode } from "../../../src/runner/nix/store/derivations.ts";
import { builtOf } from "../../../src/runner/nix/store/to-be-built.ts";
import { aloneWith } from "../jobs/talk.ts";

const KEYS = { publicKeys: ["a-1:AAAA", "b-1:BBBB="], secretKeyFile: "/etc/secret" };
const node = (drv: string): GraphNode => ({
  drv,
  name: drv,
  system: "x86_64-linux",
  features: [],
  fixedOutput: false,
  outputs: new Map([["out", `out-${drv}`]]),
  inputs: new Map(),
});

describe("an exchange's configuration", () => {
  const parse = (url: string) => ExchangeConfiguration.safeParse({ url, ...KEYS });

  it("takes a store's URL and no password", () => {
    for (const url of ["file:///srv/x", "ssh://builder@host", "s3://bucket?region=x", "https://c/"])
      expect(parse(url).success, url).toBe(true);
    for (const url of ["/srv/x", "daemon", "https://user:word@host/", "file:///a b", "auto"])
      expect(parse(url).success, url).toBe(false);
  });

  it("is known by its name, or by its URL, and by neither to those who do not know it", () => {
    const url = "ssh://a";
    expect(exchangeId({ url, name: null })).toMatch(/^[0-9a-f]{64}$/u);
    expect(exchangeId({ url, name: "n" })).toBe(exchangeId({ url: "file:///b", name: "n" }));
    expect(exchangeId({ url, name: null })).not.toBe(exchangeId({ url: "ssh://b", name: null }));
  });

  it("makes the daemon sign and check, beside what the operator has set", () => {
    const exchange = { url: "file:///x", name: null, home: null, ...KEYS };
    expect(daemonSettings(exchange, { "extra-trusted-public-keys": "own:CCCC" })).toEqual({
      "extra-trusted-public-keys": "own:CCCC a-1:AAAA b-1:BBBB=",
      "extra-secret-key-files": "/etc/secret",
    });
    expect(() => daemonSettings(exchange, { "require-sigs": "false" })).toThrow(/signatures/u);
  });
});

describe("claims of an attempt", () => {
  function talk() {
    const told: ToRun[] = [];
    const over = new AbortController();
    const attempt = new AttemptTalk(async (body) => void told.push(body), over.signal);
    return { told, over, attempt };
  }
  const answer = (claim: number, held: string[] = []): DataReply => ({
    kind: "claimed",
    claim,
    held,
    failed: [],
  });

  it("are granted or refused by the Run's answer, and released", async () => {
    const { told, attempt } = talk();
    const [first, second] = [attempt.claim(["a"]), attempt.claim(["b"])];
    attempt.heard(answer(2, ["b"]));
    attempt.heard(answer(1));
    expect(await second).toEqual({ granted: false, failed: [] });
    expect([...attempt.held]).toEqual(["b"]);
    const granted = await first;
    if (granted.granted) await granted.release();
    expect(told).toEqual([
      { kind: "claim", claim: 1, drvs: ["a"] },
      { kind: "claim", claim: 2, drvs: ["b"] },
      { kind: "release", claim: 1 },
    ]);
  });

  it("are asked again on a new connection; one that comes twice is granted once", async () => {
    const { told, attempt } = talk();
    let freed = 0;
    attempt.onFreed(() => void (freed += 1));
    const asked = attempt.claim(["a"]);
    attempt.reconnected();
    attempt.heard(answer(1));
    attempt.heard(answer(1));
    expect((await asked).granted).toBe(true);
    expect(told.map(({ kind }) => kind)).toEqual(["claim", "claim"]);
    expect(freed).toBe(1);
  });

  it("know what others hold at once, also when the end of it comes together with the refusal", async () => {
    const { attempt } = talk();
    const asked = attempt.claim(["a", "b"]);
    attempt.heard(answer(1, ["a", "b"]));
    attempt.heard({ kind: "freed", drvs: ["a"] });
    expect([...attempt.held]).toEqual(["b"]);
    await asked;
    expect([...attempt.held]).toEqual(["b"]);
    attempt.reconnected();
    expect([...attempt.held]).toEqual([]);
  });

  it("granted after they were refused are given back: nobody here builds it", async () => {
    const { told, attempt } = talk();
    const asked = attempt.claim(["a"]);
    attempt.heard(answer(1, ["a"]));
    await asked;
    attempt.heard(answer(1));
    expect(told.at(-1)).toEqual({ kind: "release", claim: 1 });
  });

  it("end with the attempt", async () => {
    const { over, attempt } = talk();
    const asked = attempt.claim(["a"]);
    over.abort(new Error("cancelled"));
    await expect(asked).rejects.toThrow("cancelled");
    await expect(attempt.claim(["b"])).rejects.toThrow("cancelled");
  });
});

describe("what others have built", () => {
  /** An exchange that has these outputs, and others who build these derivations. */
  function partners(there: string[], held: string[] = []) {
    const fetched: string[] = [];
    const exchange: Exchange = {
      id: "e".repeat(64),
      has: async (paths) => new Set([...paths].filter((path) => there.includes(path))),
      fetch: async (paths) => void fetched.push(...paths),
      push: async () => {},
      pushDerivations: async () => {},
      fetchDerivations: async () => {},
    };
    const refusing = { ...aloneWith(), held: new Set(held) };
    const of = new Partners({ exchange, talk: refusing }, new AbortController().signal, () => {});
    return { of, fetched };
  }
  const below = new Map([
    ["top", ["left", "right"]],
    ["left", ["base"]],
    ["right", ["base"]],
    ["base", []],
  ]);

  it("is brought as far up as it is there, and not what stands below that", async () => {
    const some = partners(["out-left", "out-base"]);
    expect(await some.of.fetch(["top"], { below }, node)).toHaveLength(2);
    expect(some.fetched.toSorted()).toEqual(["out-base", "out-left"]);
    const all = partners(["out-top", "out-base"]);
    await all.of.fetch(["top"], { below }, node);
    expect(all.fetched).toEqual(["out-top"]);
    const none = partners([]);
    expect(await none.of.fetch(["top"], { below }, node)).toEqual([]);
  });

  it("is not taken from them", () => {
    const { of } = partners([], ["base"]);
    expect([of.hold(["top", "base"]), of.hold(["top"])]).toEqual([true, false]);
  });
});

describe("goals that stand on what the runner cannot build", () => {
  it("are given back in frames that the protocol takes, each with what it needs", () => {
    const wide = new Map<string, string[]>();
    for (let goal = 0; goal < 500; goal += 1) {
      const own = Array.from({ length: 40 }, (_, n) => `d${goal}-${n}`);
      wide.set(`g${goal}`, own);
      for (const drv of own) wide.set(drv, []);
    }
    const lacked = new Map(
      [...wide.keys()].filter((drv) => drv.startsWith("d")).map((drv) => [drv, ["feature x"]]),
    );
    const goals = [...wide.keys()].filter((drv) => drv.startsWith("g"));
    const frames = returned([...goals, "alone"], { below: wide }, lacked, node);
    expect(frames.flatMap((frame) => frame.goals.map(({ drv }) => drv))).toEqual(goals);
    for (const { goals: some, needed } of frames) {
      expect(needed.length).toBeLessThanOrEqual(200);
      const named = new Set(needed.map(({ drv }) => drv));
      for (const { needs } of some) {
        expect(needs).toHaveLength(32);
        expect(needs.every((drv) => named.has(drv))).toBe(true);
      }
    }
  });
});

describe("what is to be built", () => {
  const path = (name: string) => `/nix/store/${"0".repeat(32)}-${name}`;

  it.each([
    [
      "2.8, 2.26, 2.34",
      `these 2 derivations will be built:\n  ${path("a.drv")}\n  ${path("b.drv")}\n`,
      2,
    ],
    ["one", `this derivation will be built:\n  ${path("a.drv")}\n`, 1],
    [
      "2.34 with a cache",
      `this derivation will be built:\n  ${path("a.drv")}\nthis path will be fetched (0.2 KiB download, 0.1 KiB unpacked):\n  ${path("b")}\n  ${path("c.drv")}\n`,
      1,
    ],
    [
      "nothing",
      `this path will be fetched (0.00 MiB download, 0.00 MiB unpacked):\n  ${path("b")}\n`,
      0,
    ],
  ])("is read from Nix's own words: %s", (_version, said, count) => {
    expect(builtOf(said).size).toBe(count);
  });

  it("leaves out of a need what a cache has, and what stands below that", () => {
    const need = {
      below: new Map([
        ["a", ["b", "c"]],
        ["b", ["d"]],
        ["c", []],
        ["d", []],
      ]),
    };
    expect(within(need, new Set(["a", "c"])).below).toEqual(
      new Map([
        ["a", ["c"]],
        ["c", []],
      ]),
    );
  });
});
