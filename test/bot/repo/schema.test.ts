import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { migrate } from "../../../src/bot/objects/migrations.ts";
import { accountStub, repoStub } from "../support/objects.ts";
import account1 from "../account/schema-1.sql?raw";
import repo1 from "./schema-1.sql?raw";

/** What the object's database is made of, as text. */
const dump = (_object: unknown, state: DurableObjectState) =>
  state.storage.sql
    .exec<{ sql: string }>(
      "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name",
    )
    .toArray()
    .map(({ sql }) => `${sql};\n`)
    .join("");

test("version 1 of a Repo is what it was released as", async () => {
  expect(await runInDurableObject(repoStub(401), dump)).toBe(repo1);
});

test("version 1 of an Account is what it was released as", async () => {
  expect(await runInDurableObject(accountStub(401), dump)).toBe(account1);
});

test("steps run once, all or none, and a newer database is not touched", async () => {
  await runInDurableObject(accountStub(402), (_account, { storage }) => {
    const { sql } = storage;
    const version = () => sql.exec<{ at: number }>("SELECT at FROM version").one().at;
    const add = (name: string) => `CREATE TABLE ${name} (a INTEGER) STRICT`;
    expect(
      migrate(storage, [
        "",
        add("one"),
        () => {
          sql.exec("INSERT INTO one VALUES (1)");
        },
      ]),
    ).toBe(3);
    expect(
      migrate(storage, [
        "",
        add("one"),
        () => {
          sql.exec("INSERT INTO one VALUES (1)");
        },
      ]),
    ).toBe(3);
    expect(sql.exec("SELECT a FROM one").toArray()).toEqual([{ a: 1 }]);
    expect(() => migrate(storage, ["", "", "", add("two"), "CREATE NONSENSE"])).toThrow(/syntax/u);
    expect([
      version(),
      sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'two'").toArray(),
    ]).toEqual([3, []]);
    expect(() => migrate(storage, ["", ""])).toThrow(/version 3, this release knows 2/u);
  });
});
