import { env, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { objectName } from "../../../src/bot/objects/contracts.ts";
import { steps } from "../../../src/bot/objects/machine/schema.ts";
import { Rows } from "../../../src/bot/objects/machine/rows.ts";
import { dump, upgrade } from "../support/schema.ts";
import machine1 from "./schema-1.sql?raw";

const statements = (sql: string) => sql.split(/;\n/u).filter((one) => one.trim() !== "");

test("a Machine of version 1 becomes what a new one is, and keeps its counter and its deploys", async () => {
  const name = objectName.machine(env.GITHUB_HOST, 500, `SHA256:${"s".repeat(43)}`);
  await runInDurableObject(env.MACHINE.getByName(name), (_machine, { storage }) => {
    const fresh = dump(storage);
    const rows = [
      "INSERT INTO machine VALUES (1, 'github.com', 500, 'k', 7, 9, NULL)",
      `INSERT INTO ticket VALUES ('1-1/forward/web1', 3, '1-1', 'web1', '{"repository":1,"pull":5,"by":"ann"}', 'deploy', 'plain', 'a', NULL, NULL, 0, 'ended', 7, NULL, NULL, 1, 2, NULL)`,
    ];
    expect(upgrade(storage, statements(machine1), 1, rows, steps)).toBe(steps.length);
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
