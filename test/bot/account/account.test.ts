import { reset } from "cloudflare:test";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { accountStub, settled } from "../support/objects.ts";
import { installation, OWNER } from "../support/payloads.ts";

beforeEach(() => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
});
afterEach(() => reset());

const account = () => accountStub(OWNER);
const bring = async (event: string, payload: object) => {
  expect((await deliver(event, payload)).status).toBe(202);
  await settled(account());
};
const ids = async () => (await account().repositories()).map(({ id }) => id);

test("an installation brings its repositories, and takes them along when it goes", async () => {
  await bring("installation", installation({ action: "created", repositories: [1, 2] }));
  expect(await account().repositories()).toEqual([
    { id: 1, owner: "o", name: "r1", private: false, installation: 9 },
    { id: 2, owner: "o", name: "r2", private: false, installation: 9 },
  ]);
  await bring("installation_repositories", {
    ...installation({ action: "removed" }),
    repositories: undefined,
    repositories_added: [],
    repositories_removed: [{ id: 1 }],
  });
  expect(await ids()).toEqual([2]);
  await bring("installation", installation({ action: "deleted" }));
  expect([await ids(), await account().installations()]).toEqual([[], []]);
});

test("a suspended installation is not asked for anything until it is back", async () => {
  await bring("installation", installation({ action: "created", repositories: [1] }));
  await bring("installation", installation({ action: "suspend" }));
  expect(await account().installations()).toEqual([]);
  await bring("installation", installation({ action: "unsuspend" }));
  expect([await account().installations(), await ids()]).toEqual([[9], [1]]);
});

test("every repository has its turn", async () => {
  for (const id of [1, 2, 3])
    await account().know(9, { id, owner: "o", name: `r${id}`, private: false });
  expect([await account().rotate(2), await account().rotate(2)]).toEqual([
    [1, 2],
    [3, expect.any(Number)],
  ]);
});
