import { expect, test } from "vitest";
import type { Launch, LaunchRequest, LaunchResult } from "../../../../src/runner/nix/launch.ts";
import { whichAreValid } from "../../../../src/runner/nix/store/serve/protocol.ts";
import { StoreService } from "../../../../src/runner/nix/store/serve/service.ts";
import { texts } from "../../../../src/runner/nix/store/serve/wire.ts";
import { greeting } from "./encoding.ts";

const A = `/nix/store/${"a".repeat(32)}-a`;
const NEVER = new AbortController().signal;

/** What a process does with each message after the greeting: its answer, or its end. */
type Script = readonly (Uint8Array | "dies" | "hangs")[];

/** Launches that follow scripts, one for each process. */
function scripted(...scripts: Script[]): { launch: Launch; requests: LaunchRequest[] } {
  const requests: LaunchRequest[] = [];
  return {
    requests,
    async launch(request) {
      const script = scripts[requests.length] ?? ["dies"];
      requests.push(request);
      let at = -1;
      for await (const _ of request.input as AsyncIterable<Uint8Array>) {
        const step = at < 0 ? greeting() : (script[at] ?? "dies");
        at += 1;
        if (step === "dies") return { ...ENDED, stderr: new TextEncoder().encode("error: gone\n") };
        if (step !== "hangs") request.onStdout?.(step);
      }
      return { ...ENDED, exitCode: 0 };
    },
  };
}

const ENDED: LaunchResult = {
  exitCode: 1,
  signal: null,
  durationMs: 0,
  timedOut: false,
  cancelled: false,
  outOfMemory: false,
  peakBytes: null,
  startFailure: null,
  stdout: new Uint8Array(),
  stderr: new Uint8Array(),
  truncated: false,
};

const none = texts([]);
const there = texts([A]);

test("one process answers all questions, in their order, and remembers nothing", async () => {
  const { launch, requests } = scripted([none, there, none]);
  const store = new StoreService(launch, "daemon");
  const asked = [1, 2, 3].map(() => store.ask(whichAreValid([A]), NEVER));
  expect((await Promise.all(asked)).map(({ size }) => size)).toEqual([0, 1, 0]);
  expect(requests).toMatchObject([
    { argv: ["nix-store", "--serve"], env: { NIX_REMOTE: "daemon?path-info-cache-size=0" } },
  ]);
});

test("a process that dies is begun anew, and the question is put again", async () => {
  const { launch, requests } = scripted([none, "dies"], [there, there]);
  const store = new StoreService(launch, "local?root=/x");
  for (const size of [0, 1, 1])
    expect(await store.ask(whichAreValid([A]), NEVER)).toHaveProperty("size", size);
  expect(requests.map(({ env }) => env?.["NIX_REMOTE"])).toEqual(
    [1, 2].map(() => "local?root=/x&path-info-cache-size=0"),
  );
});

test("one that dies again is an error that says what it said; the next question finds a new one", async () => {
  const { launch } = scripted(["dies"], ["dies"], [there]);
  const store = new StoreService(launch, "daemon");
  await expect(store.ask(whichAreValid([A]), NEVER)).rejects.toThrow(
    "asking the store: nix-store --serve exited with 1: error: gone",
  );
  expect(await store.ask(whichAreValid([A]), NEVER)).toEqual(new Set([A]));
});

test("a process that ends between its greeting and the question is one that died", async () => {
  const { launch } = scripted([there]);
  let launched = 0;
  const store = new StoreService(async (request) => {
    launched += 1;
    if (launched > 1) return await launch(request);
    for await (const _ of request.input as AsyncIterable<Uint8Array>) {
      request.onStdout?.(greeting());
      break;
    }
    return ENDED;
  }, "daemon");
  expect(await store.ask(whichAreValid([A]), NEVER)).toEqual(new Set([A]));
  expect(launched).toBe(2);
});

test("what is no answer, or was not asked for, is not taken for the next one's", async () => {
  const junk = Buffer.concat([there, none]);
  const { launch, requests } = scripted([texts(["/nix/store/other"])], [junk, there], [none]);
  const store = new StoreService(launch, "daemon");
  expect(await store.ask(whichAreValid([A]), NEVER)).toEqual(new Set([A]));
  expect(await store.ask(whichAreValid([A]), NEVER)).toEqual(new Set());
  expect(requests).toHaveLength(3);
});

test("nobody waits for an answer once the job is over", async () => {
  const { launch } = scripted(["hangs"]);
  const store = new StoreService(launch, "daemon");
  const over = new AbortController();
  const asked = [
    store.ask(whichAreValid([A]), over.signal),
    store.ask(whichAreValid([A]), over.signal),
  ];
  over.abort(new Error("the job is over"));
  for (const one of asked) await expect(one).rejects.toThrow("the job is over");
  await expect(store.ask(whichAreValid([A]), over.signal)).rejects.toThrow("the job is over");
});

test("what cannot be started at all is an error", async () => {
  const store = new StoreService(async () => {
    throw new Error("no helper");
  }, "daemon");
  await expect(store.ask(whichAreValid([A]), NEVER)).rejects.toThrow(
    "asking the store: nix-store --serve could not be run: no helper",
  );
});
