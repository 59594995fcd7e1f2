import { env, runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { STEPS } from "../../../src/bot/objects/writer/schema.ts";
import { dump, upgrade } from "../support/schema.ts";
import { SCHEMA_1 } from "./schema-1.ts";
import { SCHEMA_2 } from "./schema-2.ts";

it("brings a Writer of version 1 to what a new one is, and keeps its rows", async () => {
  const stub = env.WRITER.getByName(`${env.GITHUB_HOST}/installation/999`);
  await runInDurableObject(stub, (_object, { storage }) => {
    const fresh = dump(storage);
    const row =
      "INSERT INTO effect VALUES ('r', '1-1', 'p', 0, 0, 0, 0, 1, 0, 0, NULL, 1, 0, 'idle', 0, 0, 0, '{}', NULL, 0)";
    expect(upgrade(storage, SCHEMA_1, 1, [row], STEPS)).toBe(STEPS.length);
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT resource, succeeds FROM effect").toArray()).toEqual([
      { resource: "r", succeeds: "[]" },
    ]);
  });
});

it("brings a Writer of version 2 to what a new one is, and keeps what GitHub shows", async () => {
  const stub = env.WRITER.getByName(`${env.GITHUB_HOST}/installation/997`);
  await runInDurableObject(stub, (_object, { storage }) => {
    const fresh = dump(storage);
    const row =
      "INSERT INTO effect VALUES ('r', '1-1', 'p', 0, 0, 0, 0, 1, 0, 0, 77, 1, 0, 'idle', 0, 0, 0, '{}', NULL, 0, '[]')";
    expect(upgrade(storage, SCHEMA_2, 2, [row], STEPS)).toBe(STEPS.length);
    expect(dump(storage)).toEqual(fresh);
    expect(storage.sql.exec("SELECT resource, kind, shown_id FROM effect").toArray()).toEqual([
      { resource: "r", kind: "check", shown_id: 77 },
    ]);
  });
});

it("finds what is to be sent, and who spoke about a commit, by an index", async () => {
  const stub = env.WRITER.getByName(`${env.GITHUB_HOST}/installation/998`);
  await runInDurableObject(stub, (_object, { storage }) => {
    const plan = (query: string, ...values: string[]) =>
      storage.sql
        .exec<{ detail: string }>(`EXPLAIN QUERY PLAN ${query}`, ...values)
        .toArray()
        .map(({ detail }) => detail)
        .join("; ");
    expect(
      plan(
        "SELECT resource FROM effect WHERE (state IN ('sending', 'unknown') OR (state = 'idle' AND (shown < version OR annotated < annotations)))",
      ),
    ).toContain("effect_open");
    expect(plan("SELECT 1 FROM effect WHERE place = ?", "p")).toContain("effect_place");
    expect(plan("DELETE FROM effect WHERE changed_at < 5")).toContain("effect_changed");
  });
});
