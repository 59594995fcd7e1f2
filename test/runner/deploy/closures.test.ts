import { chmod, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { MachineOutcome } from "../../../src/protocol/machine.ts";
import { closures } from "../../../src/runner/deploy/closures.ts";
import { type Exchange, ExchangeFailure } from "../../../src/runner/nix/exchange/exchange.ts";
import { MachineRoots } from "../../../src/runner/nix/roots/machines.ts";
import { readRoots, RootTable } from "../../../src/runner/nix/roots/table.ts";
import { HOST_KEYS, store as path } from "./support.ts";

/** Systems that a deploy runner is to bring to a machine: where they come from, and that they stay. */

const [OLD, NEW, NEXT] = [path("old"), path("new"), path("next")];
const OF = {
  repository: { id: 7, owner: "acme", name: "fleet", private: false },
  run: "7-1",
};
const hostKey = HOST_KEYS.web;
const signal = new AbortController().signal;
const active = (system: string): MachineOutcome => ({
  kind: "active",
  system,
  generation: 1,
  notices: [],
  running: system,
});

let directory: string;
let links: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-closures-"));
  links = await mkdtemp(join(directory, "roots-"));
  // Whatever stands in `valid` is valid.
  await writeFile(
    join(directory, "nix-store"),
    `#!/bin/sh\nfor path; do :; done\ngrep -qxF "$path" ${directory}/valid || echo "$path"\n`,
  );
  await chmod(join(directory, "nix-store"), 0o755);
  await writeFile(join(directory, "valid"), "");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function world(fetch: ((paths: string[]) => Promise<void>) | null, now = () => 1_000) {
  const table = await RootTable.open(directory, links, now());
  const exchange: Partial<Exchange> | null =
    fetch === null ? null : { fetch: async (paths) => await fetch([...paths]) };
  const store = { nixStore: join(directory, "nix-store"), url: null, env: {} };
  const roots = new MachineRoots(table);
  return { roots, table, own: closures(store, exchange as Exchange | null, roots, now) };
}

async function linked(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of await readdir(links))
    for (const link of await readdir(join(links, folder)))
      found.push(await readlink(join(links, folder, link)));
  return found.toSorted();
}

const isValid = async (system: string) =>
  await writeFile(
    join(directory, "valid"),
    `${await readFile(join(directory, "valid"), "utf8")}${system}\n`,
  );

it("come from the exchange when the store lacks them, rooted before they come", async () => {
  const asked: [string[], string[]][] = [];
  const { own } = await world(async (paths) => {
    asked.push([paths, await linked()]);
    await isValid(NEW);
  });
  expect(await own.bring({ of: OF, hostKey, system: NEW }, signal)).toBeNull();
  expect(asked).toEqual([[[NEW], [NEW]]]);
  // What is there is not asked for.
  expect(await own.bring({ of: OF, hostKey, system: NEW }, signal)).toBeNull();
  expect(asked).toHaveLength(1);
});

it("are missing, and why is said: no exchange, one that does not answer, one that gives something else", async () => {
  const alone = await world(null);
  expect(await alone.own.bring({ of: OF, hostKey, system: NEW }, signal)).toContain("no exchange");
  const away = await world(async () => {
    throw new ExchangeFailure("taking outputs: no route to host");
  });
  expect(await away.own.bring({ of: OF, hostKey, system: NEW }, signal)).toContain("no route");
  const lying = await world(async () => {});
  expect(await lying.own.bring({ of: OF, hostKey, system: NEW }, signal)).toContain("came from");
});

it("stay for as long as they are brought, then as what the machine runs and ran before", async () => {
  const { own } = await world(null);
  for (const system of [OLD, NEW, NEXT]) await isValid(system);
  const deploy = async (system: string, outcome: MachineOutcome) => {
    await own.bring({ of: OF, hostKey, system }, signal);
    const during = await linked();
    await own.ended({ of: OF, hostKey }, outcome);
    return during;
  };
  expect(await deploy(OLD, active(OLD))).toEqual([OLD]);
  expect(await deploy(NEW, active(NEW))).toEqual([NEW, OLD].toSorted());
  expect(await linked()).toEqual([NEW, OLD].toSorted());
  const failed: MachineOutcome = { kind: "failed-untouched", step: "copy", why: "x", running: NEW };
  expect(await deploy(NEXT, failed)).toEqual([NEW, NEXT, OLD].toSorted());
  expect(await linked()).toEqual([NEW, OLD].toSorted());
  // Nobody knows what it runs: everything that it may run stays.
  const unknown: MachineOutcome = { kind: "unknown", step: "activate", why: "x", running: null };
  await deploy(NEXT, unknown);
  expect(await linked()).toEqual([NEW, NEXT, OLD].toSorted());
  await deploy(NEXT, active(NEXT));
  expect(await linked()).toEqual([NEW, NEXT].toSorted());
});

it("of plans stay for two weeks, from before anybody hears of the plan; another machine's go their own way", async () => {
  let now = 1_000;
  const { roots } = await world(null, () => now);
  const heard: string[][] = [];
  const plan = (run: string, system: string) =>
    roots
      .keepingPlans(
        { ...OF, run },
        { machine: async () => void heard.push(await linked()) } as never,
        () => now,
      )
      .machine({ kind: "planned", plan: { machine: "web", manifest: { system } } } as never);
  await plan("7-1", OLD);
  await plan("7-2", NEW);
  expect(heard).toEqual([[OLD], [NEW, OLD].toSorted()]);
  expect((await readRoots(directory)).map(({ ref }) => ref)).toEqual([
    "refs/snowcat/plans/7-1",
    "refs/snowcat/plans/7-2",
  ]);
  now += 15 * 24 * 3_600_000;
  await plan("7-3", NEXT);
  expect(await linked()).toEqual([NEXT]);
});
