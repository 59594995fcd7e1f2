import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { steps } from "../../../src/bot/objects/fleet/schema.ts";
import { dump, upgrade } from "../support/schema.ts";
import { SCHEMA_2 } from "./schema-2.ts";
import { SCHEMA_4 } from "./schema-4.ts";
import { SCHEMA_5 } from "./schema-5.ts";
import { newFleet } from "./world.ts";

it("brings a Fleet of version 2 to what a new one is, and keeps its rows", async () => {
  const { fleet } = newFleet();
  await runInDurableObject(fleet, (_object, { storage }) => {
    const fresh = dump(storage);
    const rows = [
      "INSERT INTO runner (runner, name, public_key, pool, class, enrolled_at) VALUES ('r', 'n', 'k', 'trusted', 'c', 1)",
      "INSERT INTO job VALUES ('1-1.1', 1, 'trusted', 'x86_64-linux', '[]', NULL, 1, 'queued', 0, NULL, 1, 0, 0, 0, NULL, NULL, NULL)",
    ];
    expect(upgrade(storage, SCHEMA_2, 2, rows, steps)).toBe(steps.length);
    expect(dump(storage).toSorted()).toEqual(fresh.toSorted());
    expect(storage.sql.exec("SELECT runner, exchange FROM runner").toArray()).toEqual([
      { runner: "r", exchange: null },
    ]);
    expect(storage.sql.exec("SELECT job, exchange, pin FROM job").toArray()).toEqual([
      { job: "1-1.1", exchange: null, pin: null },
    ]);
  });
});

it("brings a Fleet of version 4 to what a new one is: nobody may change a machine yet", async () => {
  const { fleet } = newFleet();
  await runInDurableObject(fleet, (_object, { storage }) => {
    const fresh = dump(storage);
    const rows = [
      "INSERT INTO runner (runner, name, public_key, pool, class, enrolled_at) VALUES ('r', 'n', 'k', 'deploy', 'c', 1)",
      "INSERT INTO job VALUES ('1-1.1', 1, 'trusted', 'x86_64-linux', '[]', NULL, 1, 'queued', 0, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, NULL)",
    ];
    expect(upgrade(storage, SCHEMA_4, 4, rows, steps)).toBe(steps.length);
    expect(dump(storage).toSorted()).toEqual(fresh.toSorted());
    expect(storage.sql.exec("SELECT targets FROM runner").toArray()).toEqual([{ targets: "[]" }]);
    expect(storage.sql.exec("SELECT machines, once FROM job").toArray()).toEqual([
      { machines: "[]", once: 0 },
    ]);
  });
});

it("brings a Fleet of version 5 to what a new one is: nothing was refused yet", async () => {
  const { fleet } = newFleet();
  await runInDurableObject(fleet, (_object, { storage }) => {
    const fresh = dump(storage);
    expect(upgrade(storage, SCHEMA_5, 5, [], steps)).toBe(steps.length);
    expect(dump(storage).toSorted()).toEqual(fresh.toSorted());
    expect(storage.sql.exec("SELECT * FROM refusal").toArray()).toEqual([]);
  });
});
