import { runInDurableObject } from "cloudflare:test";
import { vi } from "vitest";
import { objectName, type RunRequest } from "../../../src/bot/objects/contracts.ts";
import { Run } from "../../../src/bot/objects/run/run.ts";
import { env } from "./env.ts";

export const repoStub = (repository: number) =>
  env.REPO.getByName(objectName.repo(env.GITHUB_HOST, repository));
export const accountStub = (account: number) =>
  env.ACCOUNT.getByName(objectName.account(env.GITHUB_HOST, account));

/** Rows of a query in a Repo object. */
export function repoRows(
  repository: number,
  query: string,
): Promise<Record<string, SqlStorageValue>[]> {
  return runInDurableObject(repoStub(repository), (_repo, state) =>
    state.storage.sql.exec(query).toArray(),
  );
}

/** Whoever waits for a condition, with a deadline; the objects' alarms ring by themselves. */
export async function until<T>(
  look: () => Promise<T | null | undefined | false>,
  what: string,
  within = 10_000,
): Promise<T> {
  const deadline = Date.now() + within;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${what}`);
    await scheduler.wait(5);
  }
}

/** Until the object has handled every delivery and performed everything that is due now. */
export async function settled(
  stub: ReturnType<typeof repoStub> | ReturnType<typeof accountStub>,
): Promise<void> {
  await until(
    async () => {
      const left = await runInDurableObject(stub, (_object, state) => {
        const waiting = state.storage.sql
          .exec("SELECT 1 FROM inbox WHERE state = 'waiting' LIMIT 1")
          .toArray().length;
        const due = state.storage.sql
          .exec("SELECT 1 FROM due WHERE at <= ? LIMIT 1", Date.now())
          .toArray().length;
        return waiting + due;
      });
      return left === 0;
    },
    `everything of ${stub.name ?? stub.id.toString()} is handled`,
  );
}

/** What waits for a later try is tried now; the alarm rings by itself. */
export async function hurry(stub: ReturnType<typeof repoStub>): Promise<void> {
  await runInDurableObject(stub, (_object, state) => {
    state.storage.sql.exec("UPDATE due SET at = 1 WHERE kind = 'effect'");
  });
  await stub.wake();
}

export type Called =
  | { call: "start"; request: RunRequest }
  | { call: "supersede" | "cancel"; by: string };

/** Run objects that only write down how they are called. */
export function recordRuns(): Called[] {
  const calls: Called[] = [];
  vi.spyOn(Run.prototype, "start").mockImplementation(async (request) => {
    calls.push({ call: "start", request });
  });
  vi.spyOn(Run.prototype, "supersede").mockImplementation(async (by) => {
    calls.push({ call: "supersede", by });
  });
  vi.spyOn(Run.prototype, "cancel").mockImplementation(async (by) => {
    calls.push({ call: "cancel", by });
  });
  return calls;
}

/** Nothing in these tests may reach GitHub: whatever tries fails, and is seen. */
export function forbidNetwork() {
  return vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
    throw new Error(
      `a test without network asked for ${input instanceof Request ? input.url : String(input)}`,
    );
  });
}
