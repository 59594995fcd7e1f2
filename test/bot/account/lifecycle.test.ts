import { reset } from "cloudflare:test";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Writer } from "../../../src/bot/objects/writer/writer.ts";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import {
  accountStub,
  type Called,
  forbidNetwork,
  recordRuns,
  repoStub,
  settled,
  until,
} from "../support/objects.ts";
import { installation, OWNER, push } from "../support/payloads.ts";

let calls: Called[] = [];
beforeEach(async () => {
  env.ALLOWED_ACCOUNTS = String(OWNER);
  await migrateIndex();
  calls = recordRuns();
  forbidNetwork();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

async function bring(event: string, payload: object): Promise<void> {
  expect((await deliver(event, payload)).status).toBe(202);
  await settled(accountStub(OWNER));
}
async function pushed(repository: number): Promise<void> {
  await deliver("push", push({ repository }));
  await settled(repoStub(repository));
}
const ended = () => calls.filter(({ call }) => call === "supersede");

test("repositories that are taken off the App: their runs end, those of others go on", async () => {
  await bring("installation", installation({ action: "created", repositories: [601, 602] }));
  await pushed(601);
  await pushed(602);
  await bring("installation_repositories", {
    ...installation({ action: "removed" }),
    repositories: undefined,
    repositories_added: [],
    repositories_removed: [{ id: 601, name: "r601", full_name: "o/r601", private: false }],
  });
  await until(async () => ended().length === 1, "the run was ended");
  expect(ended()).toEqual([{ call: "supersede", by: "the App was taken off the repository" }]);
  expect([await repoStub(601).active(), await repoStub(602).active()]).toEqual([[], ["602-1"]]);
});

test("an App that is uninstalled ends the runs of all its repositories, and knows none of them any more", async () => {
  await pushed(611);
  await pushed(612);
  await bring("installation", installation({ action: "deleted" }));
  await until(async () => ended().length === 2, "the runs were ended");
  expect(await accountStub(OWNER).repositories()).toEqual([]);
});

test("the word of an installation that a repository does not have any more changes nothing", async () => {
  await pushed(621);
  await repoStub(621).left(8, "an older installation");
  expect(await repoStub(621).active()).toEqual(["621-1"]);
});

test("an installation that may speak again is asked to", async () => {
  const resumed = vi.spyOn(Writer.prototype, "resume").mockResolvedValue();
  await bring("installation", installation({ action: "created", repositories: [631] }));
  await bring("installation", installation({ action: "suspend" }));
  expect(resumed).not.toHaveBeenCalled();
  await bring("installation", installation({ action: "unsuspend" }));
  await until(async () => resumed.mock.calls.length === 1, "the Writer was told");
});
