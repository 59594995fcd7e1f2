import { env, runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { STEPS } from "../../../src/bot/objects/run/schema.ts";
import { dump, upgrade } from "../support/schema.ts";
import { SCHEMA_1 } from "./schema-1.ts";
import { SCHEMA_2 } from "./schema-2.ts";
import { SCHEMA_5 } from "./schema-5.ts";
import { SCHEMA_6 } from "./schema-6.ts";
import { SCHEMA_7 } from "./schema-7.ts";

it("brings a Run of version 1 to what a new one is, and keeps its row", async () => {
  const stub = env.RUN.getByName(`${env.GITHUB_HOST}/run/42-1`);
  await runInDurableObject(stub, (_object, { storage }) => {
    const fresh = dump(storage);
    const row = `INSERT INTO run (one, id, identity, reason, sender, fresh, head, requested_at, created_at, phase, rules, attributes, pending, required,
      required_succeeded, unreplayable, jobs, open_jobs, open_derivations) VALUES (1, '42-1', '{}', '{}', '{}', 0, 'h', 1, 1, 'finished', '{}', 0, 0, 0, 0, 0, 0, 0, 0)`;
    expect(upgrade(storage, SCHEMA_1, 1, [row], STEPS)).toBe(STEPS.length);
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT id, succeeds, emptied_at FROM run").toArray()).toEqual([
      { id: "42-1", succeeds: "[]", emptied_at: null },
    ]);
  });
  expect(await stub.wake()).toEqual({ version: STEPS.length });
});

it("brings a Run of version 2 to what a new one is", async () => {
  const stub = env.RUN.getByName(`${env.GITHUB_HOST}/run/42-2`);
  await runInDurableObject(stub, (_object, { storage }) => {
    const fresh = dump(storage);
    expect(upgrade(storage, SCHEMA_2, 2, [], STEPS)).toBe(STEPS.length);
    expect(dump(storage)).toEqual(fresh);
  });
});

it("brings a Run of version 5 to what a new one is", async () => {
  const stub = env.RUN.getByName(`${env.GITHUB_HOST}/run/42-5`);
  await runInDurableObject(stub, (_object, { storage }) => {
    const fresh = dump(storage);
    expect(upgrade(storage, SCHEMA_5, 5, [], STEPS)).toBe(STEPS.length);
    expect(dump(storage)).toEqual(fresh);
  });
});

it("brings a Run of version 6 to what a new one is: it does nothing with machines", async () => {
  const stub = env.RUN.getByName(`${env.GITHUB_HOST}/run/42-6`);
  await runInDurableObject(stub, (_object, { storage }) => {
    const fresh = dump(storage);
    const row = `INSERT INTO run (one, id, identity, reason, sender, fresh, head, requested_at, created_at, phase, rules, attributes, pending, required,
      required_succeeded, unreplayable, jobs, open_jobs, open_derivations) VALUES (1, '42-6', '{}', '{}', '{}', 0, 'h', 1, 1, 'finished', '{}', 0, 0, 0, 0, 0, 0, 0, 0)`;
    const named = "INSERT INTO inventory VALUES ('m', 'nixos', '[]')";
    expect(upgrade(storage, SCHEMA_6, 6, [row, named], STEPS)).toBe(STEPS.length);
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT rolling, rollout FROM run").toArray()).toEqual([
      { rolling: "none", rollout: null },
    ]);
    expect(storage.sql.exec("SELECT roles, target_host FROM inventory").toArray()).toEqual([
      { roles: "[]", target_host: null },
    ]);
  });
});

it("brings a Run of version 7 to what a new one is, and keeps its machines", async () => {
  const stub = env.RUN.getByName(`${env.GITHUB_HOST}/run/42-7`);
  await runInDurableObject(stub, (_object, { storage }) => {
    const fresh = dump(storage);
    const known = `INSERT INTO target (machine, host_key, settings, "order") VALUES ('web', 'k', '{}', 0)`;
    expect(upgrade(storage, SCHEMA_7, 7, [known], STEPS)).toBe(STEPS.length);
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT machine, previous FROM target").toArray()).toEqual([
      { machine: "web", previous: null },
    ]);
  });
});
