import { afterEach, beforeEach, expect, test } from "vitest";
import { refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

let f: Fixture;
beforeEach(async () => {
  f = await startFixture({ permissions: { metadata: "read", members: "read" } });
});
afterEach(() => f.close());

test("who is in a team is told to who may read members, as active or asked to join", async () => {
  const org = f.github.createAccount({ login: "acme", type: "Organization", owners: [f.owner] });
  f.github.setTeam(org, "ops", [{ account: f.owner }, { account: f.outsider, state: "pending" }]);
  const ask = (team_slug: string, username: string) =>
    f.bot.teams.getMembershipForUserInOrg({ org: "acme", team_slug, username });
  expect((await ask("ops", "octo")).data.state).toBe("active");
  expect((await ask("ops", "passer-by")).data.state).toBe("pending");
  f.github.setTeam(org, "ops", []);
  expect(await refusal(ask("ops", "octo"))).toMatchObject({ status: 404 });
  expect(await refusal(ask("nobody", "octo"))).toMatchObject({ status: 404 });
  expect(f.github.ledger("everyone")).toEqual([]);
});

test("an App without the permission is not told", async () => {
  const other = await startFixture({ permissions: { metadata: "read" } });
  const ask = other.bot.teams.getMembershipForUserInOrg({
    org: "acme",
    team_slug: "ops",
    username: "octo",
  });
  expect(await refusal(ask)).toMatchObject({ status: 403 });
  await other.close();
});
