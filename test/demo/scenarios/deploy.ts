import { rm, stat } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { Conversation } from "../conversation.ts";
import { type Change, changed, Fleet, SITE } from "../fleet.ts";
import { expect, type Scenario, type SeenCheck } from "../scenario.ts";
import { eventually, type Stage } from "../stage.ts";

/** Evaluation, build, plan and five deploys, on two busy cores (ms). */
const PATIENCE = 150_000;
const [CANARY, ...REST] = SITE;

/** A pull request that changes these machines, with its head judged good. */
async function proposed(stage: Stage, branch: string, machines: readonly string[], change: Change) {
  const fleet = await Fleet.of(stage);
  const { project } = fleet;
  const head = await project.push(branch, changed(machines, change));
  const { pull } = await project.openPull(branch, change.page);
  const judged = await project.judged(head, { patience: PATIENCE });
  expect(judged.get("snowcat") === "success", "the head is good", judged.seen());
  return { fleet, head, talk: new Conversation(project, pull.number) };
}

/** The newest check of that name, when it is another one than before and completed. */
async function completed(
  { project }: Fleet,
  head: string,
  name: string,
  before = 0,
): Promise<SeenCheck & { title: string }> {
  const all = () => project.checkRuns(head).filter((run) => run.name === name);
  await eventually(
    () => all().length > before && all().at(-1)?.conclusion != null,
    `${name} is completed`,
    async () => ({ checks: project.checks(head).seen(), ...(await project.stage.state()) }),
    PATIENCE,
  );
  const { conclusion = null, output } = all().at(-1) ?? {};
  return { name, conclusion, title: output?.title ?? "" };
}

/** A check that is to succeed; where it does not, what it says is told. */
async function succeeded(fleet: Fleet, head: string, name: string): Promise<SeenCheck> {
  const check = await completed(fleet, head, name);
  const text = () => fleet.project.checks(head).text(name);
  expect(check.conclusion === "success", `${name} succeeds`, { ...check, text: text() });
  return check;
}

/** Whether a file is on this host, whose /tmp the machines share. */
async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}

export const plan: Scenario = {
  name: "deploy: a plan contacts no machine and runs nothing of what it shows",
  group: "deploy",
  slow: true,
  async play(stage) {
    const sentinel = `/tmp/snowcat-sentinel-${randomUUID()}`;
    const first = await proposed(stage, "planned", SITE, { page: "What was there before" });
    const { fleet, talk } = first;
    // What was never seen cannot be compared.
    await talk.say(`/deploy ${CANARY} ${first.head}`, ["eyes", "+1"]);
    await succeeded(fleet, first.head, "snowcat / deploy");
    const head = await fleet.project.push(
      "planned",
      changed(SITE, {
        page: "What is planned",
        activation: `touch ${sentinel}-$(hostname)`,
      }),
    );
    await fleet.project.judged(head, { patience: PATIENCE });
    try {
      const before = await fleet.connections();
      await talk.say(`/plan tag:site ${head}`, ["eyes", "+1"]);
      const planned = await succeeded(fleet, head, "snowcat / plan");
      const text = fleet.project.checks(head).text("snowcat / plan");
      expect(
        SITE.every((machine) => text.includes(machine)),
        "each machine is in it",
        text,
      );
      expect(text.includes("nginx.service"), "it says which units change", text);
      const after = await fleet.connections();
      expect(JSON.stringify(after) === JSON.stringify(before), "no sshd heard anything", {
        before,
        after,
      });
      expect(!(await exists(`${sentinel}-${CANARY}`)), "the sentinel was not written");
      // This can fail: a deploy of the same connects, and activates.
      await talk.say(`/deploy ${CANARY} ${head}`, ["eyes", "+1"]);
      const deployed = await succeeded(fleet, head, "snowcat / deploy");
      const then = await fleet.connections();
      expect((then[CANARY] ?? 0) > (before[CANARY] ?? 0), "its sshd did hear of that", then);
      expect(await exists(`${sentinel}-${CANARY}`), "a deploy does write it");
      return [planned, deployed];
    } finally {
      await rm(`${sentinel}-${CANARY}`, { force: true });
    }
  },
};

export const rollout: Scenario = {
  name: "deploy: a fleet of five: plan, canary, health, the rest; and back",
  group: "deploy",
  slow: true,
  async play(stage) {
    const { fleet, head, talk } = await proposed(stage, "next", SITE, { page: "The next version" });
    const before = await fleet.running();
    await talk.say(`/deploy tag:site ${head}`, ["eyes", "+1"]);
    const deploy = await succeeded(fleet, head, "snowcat / deploy");
    expect(deploy.title === "5 of 5 machines active", "and it says so", deploy);
    for (const machine of SITE) {
      const page = await fleet.page(machine);
      expect(page === `200 The next version of ${machine}`, `${machine} has the new page`, page);
      const truth = await fleet.machine(machine).truth();
      expect(
        truth.boots === truth.running && truth.running !== before[machine],
        `${machine} runs and boots the new system`,
        truth,
      );
    }
    let ends = await deployments(fleet, head);
    const told = async () => {
      ends = await deployments(fleet, head);
      return SITE.every((machine) => ends.get(machine)?.state === "success");
    };
    await eventually(told, "GitHub has a deployment of each that succeeded", () => [...ends]);
    const well = ends.get(CANARY)?.ended ?? "";
    for (const machine of REST) {
      const { began = "" } = ends.get(machine) ?? {};
      expect(began >= well, `${machine} began after the canary was well`, [...ends]);
    }
    await talk.say(`/rollback ${REST[0]}`, ["eyes", "+1"]);
    const back = await succeeded(fleet, head, "snowcat / rollback");
    const after = await fleet.running();
    expect(after[REST[0]] === before[REST[0]], "it runs what it ran before", { before, after });
    expect(after[CANARY] !== before[CANARY], "and no other went with it", { before, after });
    return [deploy, back];
  },
};

export const sick: Scenario = {
  name: "deploy: a canary that is sick is taken back, and the rest never touched",
  group: "deploy",
  slow: true,
  async play(stage) {
    // The unit runs and answers; what it answers is not the site.
    const { fleet, head, talk } = await proposed(stage, "sick", SITE, {
      page: "A version without its site",
      units: {
        "nginx.service": "[Service]\nExecStart=/bin/busybox httpd -f -p 80 -h /var/empty\n",
      },
    });
    const [before, journals] = [await fleet.running(), await fleet.journals()];
    await talk.say(`/deploy tag:site ${head}`, ["eyes", "+1"]);
    const deploy = await completed(fleet, head, "snowcat / deploy");
    expect(deploy.conclusion === "failure", "what was taken back is no success", deploy);
    expect(deploy.title.includes(`${CANARY} rolled back`), "it says which, and how", deploy);
    const after = await fleet.running();
    expect(JSON.stringify(after) === JSON.stringify(before), "all run what they ran before", {
      before,
      after,
    });
    // They were looked at for the plan. What begins on a machine stands in its journal.
    const then = await fleet.journals();
    expect(then[CANARY] !== journals[CANARY], "the canary's journal tells of it", then[CANARY]);
    const touched = REST.filter((machine) => then[machine] !== journals[machine]);
    expect(touched.length === 0, "nothing began on any of the rest", touched);
    return [deploy];
  },
};

export const locked: Scenario = {
  name: "deploy: a lock refuses others, a hold everybody",
  group: "deploy",
  slow: true,
  async play(stage) {
    const mine = await proposed(stage, "mine", [CANARY], { page: "Of who locks" });
    const other = await proposed(stage, "other", [CANARY], { page: "Of who waits" });
    const before = await mine.fleet.running();
    await mine.talk.say(`/lock ${CANARY} the database is being moved`, ["eyes", "+1"]);
    await other.talk.say(`/deploy ${CANARY} ${other.head}`, ["eyes", "-1"]);
    await other.talk.untilSticky("the database is being moved");
    await mine.talk.say(`/deploy ${CANARY} ${mine.head}`, ["eyes", "+1"]);
    const deployed = await succeeded(mine.fleet, mine.head, "snowcat / deploy");
    await mine.talk.say(`/unlock ${CANARY}`, ["eyes", "+1"]);

    await other.talk.say(`/hold ${CANARY} until the audit is over`, ["eyes", "+1"]);
    const { head } = other;
    await other.talk.say(`/deploy ${CANARY} ${head}`, ["eyes", "-1"]);
    await other.talk.untilSticky("until the audit is over");
    const after = await mine.fleet.running();
    expect(after[CANARY] !== before[CANARY], "the machine is who locked it's", after);
    await other.talk.say(`/unlock ${CANARY}`, ["eyes", "+1"]);
    await other.talk.say(`/deploy ${CANARY} ${head} --force`, ["eyes", "+1"]);
    const free = await succeeded(other.fleet, head, "snowcat / deploy");
    return [deployed, free];
  },
};

/** How each machine's deployment of a commit began and ended, by GitHub. Times as GitHub gives them. */
async function deployments(
  { project }: Fleet,
  sha: string,
): Promise<Map<string, { state: string; began: string; ended: string }>> {
  const { github, stack } = project.stage;
  const at = `${github.url}/repos/${project.account.login}/${project.repository.name}/deployments`;
  const get = async <T>(url: string): Promise<T> => {
    const headers = { authorization: `Bearer ${stack.tokens.write}` };
    const response = await fetch(url, { headers });
    return (await response.json()) as T;
  };
  const found = new Map<string, { state: string; began: string; ended: string }>();
  const all = await get<{ id: number; environment: string; created_at: string }[]>(
    `${at}?sha=${sha}&task=deploy&per_page=100`,
  );
  for (const { id, environment, created_at } of all) {
    const [newest] = await get<{ state: string; created_at: string }[]>(`${at}/${id}/statuses`);
    found.set(environment, {
      state: newest?.state ?? "none",
      began: created_at,
      ended: newest?.created_at ?? "",
    });
  }
  return found;
}
