import { afterEach, beforeEach, expect, test } from "vitest";
import { createIssue, findIssue, updateIssue } from "../../src/bot/github/client/issues.ts";
import type { DesiredIssue } from "../../src/bot/objects/desired.ts";
import { refusal, startFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

/** The Writer's own requests about an issue, held against GitHub's published description. */

let f: Fixture;
beforeEach(async () => {
  f = await startFixture();
});
afterEach(async () => {
  await f.github.settled();
  const ledger = f.github.ledger();
  await f.close();
  expect(ledger).toEqual([]);
});

const at = { owner: "octo", repo: "flake" };
const wanted = (over: Partial<DesiredIssue> = {}): DesiredIssue => ({
  kind: "issue",
  resource: `issue:${f.repo.id}:drift`,
  version: 1,
  repository: { id: f.repo.id, owner: "octo", name: "flake" },
  title: "Drift: 1 of 2 machines",
  body: "`web1` is not what the default branch says.",
  state: "open",
  ...over,
});

test("an issue is made, edited, closed and opened again", async () => {
  const { shownId } = await createIssue(f.bot, wanted());
  const seen = async () => (await f.bot.issues.get({ ...at, issue_number: shownId })).data;
  expect((await seen()).body).toBe(
    `<!-- snowcat issue:${f.repo.id}:drift -->\n\`web1\` is not what the default branch says.`,
  );
  await updateIssue(f.bot, shownId, wanted({ title: "Drift: none", state: "closed" }));
  expect(await seen()).toMatchObject({ title: "Drift: none", state: "closed" });
  await updateIssue(f.bot, shownId, wanted());
  expect(await seen()).toMatchObject({ state: "open" });
  const closed = await createIssue(f.bot, wanted({ state: "closed" }));
  expect((await f.bot.issues.get({ ...at, issue_number: closed.shownId })).data.state).toBe(
    "closed",
  );
});

test("it is found again, closed or not, and only where our App itself wrote it", async () => {
  const body = `<!-- snowcat issue:${f.repo.id}:drift -->\ncopied`;
  await f.as(f.outsider).issues.create({ ...at, title: "Drift", body });
  await f.bot.issues.create({ ...at, title: "Another", body: `Quoted: ${body}` });
  expect(await findIssue(f.bot, f.app.id, null, wanted())).toBeNull();
  const { shownId } = await createIssue(f.bot, wanted({ state: "closed" }));
  for (let n = 0; n < 120; n += 1) await f.bot.issues.create({ ...at, title: `Noise ${n}` });
  expect(await findIssue(f.bot, f.app.id, null, wanted())).toBe(shownId);
  expect(await findIssue(f.bot, f.app.id, shownId, wanted())).toBe(shownId);
  expect(await findIssue(f.bot, f.app.id + 1, null, wanted())).toBeNull();
  expect(await refusal(findIssue(f.bot, f.app.id, 9_999, wanted()))).toMatchObject({ status: 404 });
});
