import { env, runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { SCHEMA_1 } from "./schema-1.ts";

it("has the schema that was released as version 1", async () => {
  const stub = env.WRITER.getByName(`${env.GITHUB_HOST}/installation/999`);
  const dump = await runInDurableObject(stub, (_object, { storage }) =>
    storage.sql
      .exec<{ sql: string }>(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name",
      )
      .toArray()
      .map(({ sql }) => sql.replaceAll(/\s+/gu, " ")),
  );
  expect(dump).toEqual(SCHEMA_1);
  expect(await stub.wake()).toEqual({ version: 1 });
});
