import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Spool } from "../../../src/runner/agent/spool/spool.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-spool-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const large = "x".repeat(600 * 1_024);
const fill = async (spool: Spool, count: number) => {
  for (let index = 0; index < count; index += 1) await spool.append((seq) => `${seq}${large}`);
  await spool.sync();
};
const files = async () => (await readdir(directory)).filter((name) => name.endsWith(".frames"));
const numbers = async (spool: Spool) => {
  const seen: number[] = [];
  for await (const { seq } of spool.all()) seen.push(seq);
  return seen;
};

it("removes whole segments that are acknowledged, and goes on counting after a restart", async () => {
  const spool = await Spool.open(directory);
  await fill(spool, 6);
  expect(await files()).toHaveLength(3);
  await spool.ack(5);
  expect(await files()).toHaveLength(1);
  await spool.ack(6);
  expect([await files(), spool.bytes]).toEqual([[], 0]);
  await spool.close();
  expect((await Spool.open(directory)).last).toBe(6);
});

it("that keeps has every frame, acknowledged or not, and counts only the others", async () => {
  const spool = await Spool.open(directory, { keep: true });
  await fill(spool, 4);
  await spool.ack(4);
  expect([spool.bytes, await numbers(spool)]).toEqual([0, [1, 2, 3, 4]]);
  await spool.close();
  const again = await Spool.open(directory, { keep: true });
  await again.append((seq) => `${seq}`);
  expect(await numbers(again)).toEqual([1, 2, 3, 4, 5]);
});

it("drops a line that a crash tore, and gives its number again", async () => {
  const spool = await Spool.open(directory);
  await spool.append(() => "whole");
  await spool.append(() => "torn");
  await spool.close();
  const [name = ""] = await files();
  await truncate(join(directory, name), "1 whole\n2 to".length);
  const again = await Spool.open(directory);
  expect(again.last).toBe(1);
  expect((await again.append(() => "new")).seq).toBe(2);
  expect(await again.read(1, Number.POSITIVE_INFINITY)).toEqual([
    { seq: 1, text: "whole" },
    { seq: 2, text: "new" },
  ]);
});

it("counts on from what the other side has, should the disk have been set back", async () => {
  const spool = await Spool.open(directory);
  await spool.append(() => "one");
  await spool.ack(7);
  expect((await spool.append(() => "eight")).seq).toBe(8);
  await spool.close();
  const again = await Spool.open(directory);
  expect([again.last, (await again.append(() => "nine")).seq]).toEqual([8, 9]);
});
