import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { migrate } from "../../../src/bot/objects/migrations.ts";
import { steps as accountSteps } from "../../../src/bot/objects/account/schema.ts";
import { steps as repoSteps } from "../../../src/bot/objects/repo/schema.ts";
import { objectName } from "../../../src/bot/objects/contracts.ts";
import { Rows } from "../../../src/bot/objects/machine/rows.ts";
import { steps as machineSteps } from "../../../src/bot/objects/machine/schema.ts";
import { env } from "../support/env.ts";
import { accountStub, repoStub } from "../support/objects.ts";
import { dump, upgrade } from "../support/schema.ts";
import account1 from "../account/schema-1.sql?raw";
import account2 from "../account/schema-2.sql?raw";
import machine1 from "../machine/schema-1.sql?raw";
import repo1 from "./schema-1.sql?raw";
import repo3 from "./schema-3.sql?raw";
import repo5 from "./schema-5.sql?raw";

const statements = (sql: string) => sql.split(/;\n/u).filter((one) => one.trim() !== "");

test("a Repo of version 1 becomes what a new one is, and keeps its rows", async () => {
  await runInDurableObject(repoStub(401), (_repo, { storage }) => {
    const fresh = dump(storage);
    const row =
      "INSERT INTO run VALUES (1, 'k', 'h', '{}', 'ada', 3, 'User', NULL, 0, 'active', NULL, 1)";
    expect(upgrade(storage, statements(repo1), 1, [row], repoSteps)).toBe(repoSteps.length);
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT n, succeeds FROM run").toArray()).toEqual([
      { n: 1, succeeds: "[]" },
    ]);
  });
});

test("a Repo of version 3 becomes what a new one is, and keeps what it remembers", async () => {
  await runInDurableObject(repoStub(403), (_repo, { storage }) => {
    const fresh = dump(storage);
    const row = "INSERT INTO verdict VALUES ('trusted', 'd', '{}', '1-1', 1, 2.5, 0, 1, NULL)";
    expect(upgrade(storage, statements(repo3), 3, [row], repoSteps)).toBe(repoSteps.length);
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT drv, seconds, log FROM verdict").toArray()).toEqual([
      { drv: "d", seconds: 2.5, log: null },
    ]);
  });
});

test("a Repo of version 5 becomes what a new one is; of a closed pull request it does not claim to know more", async () => {
  await runInDurableObject(repoStub(405), (_repo, { storage }) => {
    const fresh = dump(storage);
    const row =
      "INSERT INTO pull VALUES (7, 'closed', 'h', 'topic', 'b', 'main', 0, 0, 'ann', NULL, '2026', 'ann', 3, 'User', NULL, NULL, 1)";
    expect(upgrade(storage, statements(repo5), 5, [row], repoSteps)).toBe(repoSteps.length);
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT number, head_seen_at, merged FROM pull").toArray()).toEqual([
      { number: 7, head_seen_at: 1, merged: null },
    ]);
  });
});

test("an Account of version 1 becomes what a new one is", async () => {
  await runInDurableObject(accountStub(401), (_account, { storage }) => {
    const fresh = dump(storage);
    expect(upgrade(storage, statements(account1), 1, [], accountSteps)).toBe(accountSteps.length);
    expect(dump(storage)).toEqual(fresh);
  });
});

test("an Account of version 2 becomes what a new one is, and knows how far it had looked for deliveries", async () => {
  await runInDurableObject(accountStub(404), (_account, { storage }) => {
    const fresh = dump(storage);
    const row = "INSERT INTO sweep VALUES (1, 1800000000000)";
    expect(upgrade(storage, statements(account2), 2, [row], accountSteps)).toBe(
      accountSteps.length,
    );
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT until, top, cursor FROM walk").toArray()).toEqual([
      { until: 1_800_000_000_000, top: null, cursor: null },
    ]);
  });
});

test("a Machine of version 1 becomes what a new one is, and keeps its counter and its deploys", async () => {
  const name = objectName.machine(env.GITHUB_HOST, 500, `SHA256:${"s".repeat(43)}`);
  await runInDurableObject(env.MACHINE.getByName(name), (_machine, { storage }) => {
    const fresh = dump(storage);
    const rows = [
      "INSERT INTO machine VALUES (1, 'github.com', 500, 'k', 7, 9, NULL)",
      `INSERT INTO ticket VALUES ('1-1/forward/web1', 3, '1-1', 'web1', '{"repository":1,"pull":5,"by":"ann"}', 'deploy', 'plain', 'a', NULL, NULL, 0, 'ended', 7, NULL, NULL, 1, 2, NULL)`,
    ];
    expect(upgrade(storage, statements(machine1), 1, rows, machineSteps)).toBe(machineSteps.length);
    expect(dump(storage)).toEqual(fresh);
    const kept = new Rows(storage.sql);
    expect(kept.machine()).toEqual({
      counter: 7,
      nextOrder: 9,
      observation: null,
      unreachable: null,
    });
    expect(kept.history(5)).toMatchObject([{ counter: 7, owner: { pull: 5 } }]);
  });
});

test("steps run once, all or none, and a newer database is not touched", async () => {
  await runInDurableObject(accountStub(402), (_account, { storage }) => {
    const { sql } = storage;
    const version = () => sql.exec<{ at: number }>("SELECT at FROM version").one().at;
    const add = (name: string) => `CREATE TABLE ${name} (a INTEGER) STRICT`;
    expect(
      migrate(storage, [
        ...accountSteps,
        add("one"),
        () => {
          sql.exec("INSERT INTO one VALUES (1)");
        },
      ]),
    ).toBe(accountSteps.length + 2);
    expect(
      migrate(storage, [
        ...accountSteps,
        add("one"),
        () => {
          sql.exec("INSERT INTO one VALUES (1)");
        },
      ]),
    ).toBe(accountSteps.length + 2);
    expect(sql.exec("SELECT a FROM one").toArray()).toEqual([{ a: 1 }]);
    expect(() =>
      migrate(storage, [...accountSteps, "", "", add("two"), "CREATE NONSENSE"]),
    ).toThrow(/syntax/u);
    expect([
      version(),
      sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'two'").toArray(),
    ]).toEqual([accountSteps.length + 2, []]);
    expect(() => migrate(storage, ["", ""])).toThrow(/version 5, this release knows 2/u);
  });
});
