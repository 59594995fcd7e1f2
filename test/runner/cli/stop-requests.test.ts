import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { askToStop, clearRequests, watchRequests } from "../../../src/runner/cli/stop-requests.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-stop-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
const me = process.getuid?.() ?? 0;

it("hears a request that was there before it looked, and each later one once", async () => {
  await askToStop(directory, "drain", me);
  const heard: string[] = [];
  const stop = watchRequests(directory, {
    drain: () => void heard.push("drain"),
    cancel: () => void heard.push("cancel"),
  });
  expect(heard).toEqual(["drain"]);
  await askToStop(directory, "drain", me);
  await askToStop(directory, "cancel", me);
  await vi.waitUntil(() => heard.length > 1, { timeout: 10_000, interval: 2 });
  expect(heard).toEqual(["drain", "cancel"]);
  stop();
});

it("leaves none to the next life", async () => {
  await askToStop(directory, "drain", me);
  await askToStop(directory, "cancel", me);
  await clearRequests(directory);
  expect(await readdir(directory)).toEqual([]);
});
