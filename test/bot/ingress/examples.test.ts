import examples from "@octokit/webhooks-examples";
import { listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { deliver } from "../support/deliver.ts";
import { env } from "../support/env.ts";
import { migrateIndex } from "../support/index.ts";
import { accountStub, forbidNetwork, recordRuns, settled } from "../support/objects.ts";

type Payload = Record<
  string,
  { id?: number; owner?: { id: number }; account?: { id: number } } | undefined
>;
const all = examples.flatMap(({ name, examples: payloads }) =>
  payloads.map((payload, index) => ({
    name,
    id: `${name.replaceAll("_", "-")}-${index}`,
    payload: payload as unknown as Payload,
  })),
);

beforeAll(async () => {
  await migrateIndex();
  recordRuns();
});
afterAll(() => {
  vi.restoreAllMocks();
});

/** Every account of the examples is served here. */
const owners = all.flatMap(({ payload: { repository, organization, installation, sender } }) =>
  [repository?.owner?.id, installation?.account?.id, organization?.id, sender?.id].filter(
    (id) => id !== undefined,
  ),
);

test("every published example: accepted, kept, handled; none crashes, none is lost, nobody asks GitHub", async () => {
  env.ALLOWED_ACCOUNTS = [...new Set(owners)].join(",");
  const network = forbidNetwork();
  const errors = vi.spyOn(console, "error");
  expect(all).toHaveLength(329);

  // As they come: several at once.
  const answers: { id: string; status: number }[] = [];
  for (let at = 0; at < all.length; at += 16) {
    answers.push(
      ...(await Promise.all(
        all.slice(at, at + 16).map(async ({ name, id, payload }) => ({
          id,
          status: (await deliver(name, payload, { id })).status,
        })),
      )),
    );
  }
  expect(answers.filter(({ status }) => status !== 202)).toEqual([]);

  const kept: { delivery: string; state: string; error: string | null }[] = [];
  for (const namespace of [env.REPO, env.ACCOUNT] as const) {
    for (const id of await listDurableObjectIds(namespace as DurableObjectNamespace)) {
      const stub = (namespace as typeof env.REPO).get(id);
      await settled(stub);
      kept.push(
        ...(await runInDurableObject(stub, (_object, state) =>
          state.storage.sql
            .exec<{ delivery: string; state: string; error: string | null }>(
              "SELECT delivery, state, error FROM inbox",
            )
            .toArray(),
        )),
      );
    }
  }
  // What names no account is nobody's.
  const nobodys = await runInDurableObject(accountStub(0), (_account, state) =>
    state.storage.sql.exec<{ delivery: string }>("SELECT delivery FROM refused").toArray(),
  );
  expect(
    nobodys
      .map(({ delivery }) => delivery.replace(/-\d+$/u, ""))
      .filter((name) => name !== "security-advisory"),
  ).toEqual([]);
  kept.push(...nobodys.map(({ delivery }) => ({ delivery, state: "done", error: null })));
  expect(kept.map(({ delivery }) => delivery).toSorted()).toEqual(
    all.map(({ id }) => id).toSorted(),
  );
  expect(
    kept.filter(({ state, error }) => state !== "done" && !error?.startsWith("ForeignOwner")),
  ).toEqual([]);
  expect(network).not.toHaveBeenCalled();
  expect(errors.mock.calls).toEqual([]);
}, 60_000);
