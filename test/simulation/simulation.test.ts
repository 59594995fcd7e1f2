import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Mutant, mutants } from "./mutants.ts";
import { worlds } from "./options.ts";
import { playAll } from "./play.ts";
import type { Played } from "./world.ts";

/** `npm run simulate -- --deliveries 100000` plays more of the same; `-- --mutants` plants every fault. */

async function played(deliveries: number, seed: number, mutant: string | null): Promise<Played[]> {
  const all: Played[] = [];
  await playAll({
    worlds: worlds(deliveries, seed, 350),
    mutant: mutant === null ? null : (mutants.find(({ name }) => name === mutant) as Mutant),
    log: false,
    played: (world) => all.push(world) > 1_000,
  });
  return all;
}

const found = (all: Played[]) =>
  all.flatMap(({ findings }) => [...findings.lost, ...findings.doubled, ...findings.wrong]);

test("hundreds of deliveries in bad weather: nothing is lost, nothing doubled, every check is right", async () => {
  const all = await played(700, 1, null);
  expect(found(all)).toEqual([]);
  for (const world of all) {
    expect(world.deliveries).toBeGreaterThanOrEqual(350);
    // The weather was bad.
    for (const trouble of [
      "doubledDeliveries",
      "missedDeliveries",
      "aborts",
      "mistreated",
    ] as const)
      expect(world[trouble], trouble).toBeGreaterThan(0);
    expect(world.redeliveries).toBeGreaterThan(0);
  }
});

test("the same seed is the same story, whatever the machine does meanwhile", async () => {
  const [first] = await played(100, 7, null);
  const [second] = await played(100, 7, null);
  expect(first).toEqual(second);
});

test("every fault has its place still, once: one that is planted nowhere would be found by nobody", async () => {
  for (const { name, file, from, to } of mutants) {
    const text = await readFile(join(import.meta.dirname, "../..", file), "utf8");
    expect(text.split(from).length - 1, `${name} in ${file}`).toBe(1);
    expect(text.split(from).join(to), name).not.toBe(text);
  }
});

test("a planted fault is found", async () => {
  expect(found(await played(700, 1, "ack-before-commit")).join("\n")).toContain(
    "was answered with 202 and is nowhere",
  );
});
