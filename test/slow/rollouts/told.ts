import { expect } from "vitest";
import type { Fleet } from "../../demo/fleet.ts";

/** What GitHub has of a fleet's repository, asked as a person does. */

type Issue = { title: string; state: string; body: string; pull_request?: unknown };

export async function api(fleet: Fleet, path: string, change?: object): Promise<unknown> {
  const { account, repository, stage } = fleet.project;
  const { github, stack } = stage;
  const response = await fetch(`${github.url}/repos/${account.login}/${repository.name}${path}`, {
    method: change === undefined ? "GET" : "PATCH",
    headers: { authorization: `Bearer ${stack.tokens.write}` },
    ...(change === undefined ? {} : { body: JSON.stringify(change) }),
  });
  expect(response.ok).toBe(true);
  return await response.json();
}

/** The fleet's issue; null while there is none. */
export async function drift(fleet: Fleet): Promise<Issue | null> {
  // As GitHub's description has it.
  const all = (await api(fleet, "/issues?state=all")) as Issue[];
  return all.find((one) => one.pull_request === undefined) ?? null;
}
