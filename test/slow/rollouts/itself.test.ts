import { expect, test } from "vitest";
import { Conversation } from "../../demo/conversation.ts";
import { changed, Fleet, SITE } from "../../demo/fleet.ts";
import { eventually } from "../../demo/stage.ts";
import { onStack } from "../../e2e/suite.ts";
import { api, drift } from "./told.ts";

/** A fleet of five behind ssh: what begins without anybody asking, and what is said of what drifts. */

const PATIENCE = 240_000;
const [CANARY, ...REST] = SITE;

onStack("a fleet by itself", {}, (at) => {
  /** The newest check of deploys on a commit, when it is over and another than before. */
  const deployed = async ({ project }: Fleet, sha: string, before = 0) => {
    const all = () => project.checkRuns(sha).filter(({ name }) => name === "snowcat / deploy");
    await eventually(
      () => all().length > before && all().at(-1)?.conclusion != null,
      "a deploy is over",
      async () => ({ checks: project.checks(sha).seen(), ...(await at.stage.state()) }),
      PATIENCE,
    );
    const { conclusion, output } = all().at(-1) ?? {};
    return `${conclusion}: ${output?.title}`;
  };

  test("a push to the default branch goes to all five; a pull request that is closed is drift, and the branch is put back", async () => {
    const fleet = await Fleet.of(at.stage);
    const { project } = fleet;
    const file = (await api(fleet, "/contents/.github/snowcat.yml")) as { content: string };
    const yaml = Buffer.from(file.content, "base64").toString();
    const main = await project.push("main", {
      ...changed(SITE, { page: "Pushed" }),
      ".github/snowcat.yml": yaml.replace("site: { stages", "site: { on: push, stages"),
    });
    expect(await deployed(fleet, main)).toBe("success: 5 of 5 machines active");
    for (const machine of [CANARY, ...REST])
      expect(await fleet.page(machine)).toBe(`200 Pushed of ${machine}`);
    expect(await drift(fleet)).toBeNull();

    const head = await project.push("tried", changed([CANARY], { page: "Tried out" }));
    const { pull } = await project.openPull("tried", "Tried out");
    await project.judged(head, { patience: PATIENCE });
    const talk = new Conversation(project, pull.number);
    await talk.say(`/deploy ${CANARY} ${head}`, ["eyes", "+1"]);
    expect(await deployed(fleet, head)).toBe("success: 1 of 1 machine active");
    expect(await drift(fleet)).toBeNull();

    await api(fleet, `/pulls/${pull.number}`, { state: "closed" });
    await eventually(async () => (await drift(fleet))?.state === "open", "the drift is told");
    expect(await drift(fleet)).toMatchObject({
      title: "Drift: 1 of 5 machines",
      body: expect.stringContaining("closed without being merged"),
    });
    const command = `/deploy ${CANARY} ${main}`;
    await eventually(
      () => talk.ours().some(({ body }) => body.includes(command)),
      "whoever closed it is told what to say",
    );
    const pages = at.stack.worker.url;
    const page = await fetch(`${pages}/fleet/${project.repository.id}/${CANARY}`);
    expect([page.status, await page.text()]).toEqual([
      200,
      expect.stringContaining("closed without being merged"),
    ]);

    await talk.say(command, ["eyes", "+1"]);
    expect(await deployed(fleet, main, 1)).toBe("success: 1 of 1 machine active");
    expect(await fleet.page(CANARY)).toBe(`200 Pushed of ${CANARY}`);
    await eventually(async () => (await drift(fleet))?.state === "closed", "nothing drifts");
    expect((await drift(fleet))?.title).toBe("Drift: none");
  });
});
