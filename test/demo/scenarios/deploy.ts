import { readFile, rm, stat } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { Conversation } from "../conversation.ts";
import { BY_TOOLS, type Change, changed, Fleet, SITE } from "../fleet.ts";
import { expect, type Scenario, type SeenCheck } from "../scenario.ts";
import { eventually, type Stage } from "../stage.ts";

/** Evaluation, build, plan and five deploys, on two busy cores (ms). */
const PATIENCE = 150_000;
const [CANARY, ...REST] = SITE;
const SHARED = resolve(import.meta.dirname, "../../../nix/examples/fleet/config/shared.nix");

/** A pull request that changes these machines, with its head judged good. */
async function proposed(stage: Stage, branch: string, machines: readonly string[], change: Change) {
  const fleet = await Fleet.of(stage);
  const { project } = fleet;
  const head = await project.push(branch, changed(machines, change));
  const { pull } = await project.openPull(branch, change.page);
  const judged = await project.judged(head, { patience: PATIENCE });
  expect(judged.get("snowcat") === "success", "the head is good", judged.seen());
  const talk = new Conversation(project, pull.number);
  return { fleet, head, talk, number: pull.number };
}

/** What each is deployed by; in their places stand programs that do what these do, over the same ssh. */
const TOOLS = { machine1: "krops", vault1: "clan" } as const;

export const tools: Scenario[] = BY_TOOLS.map((machine) => ({
  name: `deploy: a machine by ${TOOLS[machine]} (a stand-in for it)`,
  group: "deploy",
  slow: true,
  async play(stage) {
    const fleet = await Fleet.byTools(stage);
    const { project } = fleet;
    const before = await fleet.running();
    // Of the tree that krops sends, and of clan's machine.
    const shared = await readFile(SHARED, "utf8");
    const head = await project.push(`by-${TOOLS[machine]}`, {
      ...changed(["vault1"], { page: `By ${TOOLS[machine]}` }),
      "config/shared.nix": shared.replace('"app"', `"app" "${TOOLS[machine]}"`),
    });
    const { pull } = await project.openPull(`by-${TOOLS[machine]}`, `By ${TOOLS[machine]}`);
    const judged = await project.judged(head, { patience: PATIENCE });
    expect(judged.get("snowcat") === "success", "the head is good", judged.seen());
    const talk = new Conversation(project, pull.number);
    await talk.say(`/deploy ${machine} ${head}`, ["eyes", "+1"]);
    const deploy = await succeeded(fleet, head, "snowcat / deploy");
    const truth = await fleet.machine(machine).truth();
    expect(
      truth.running !== before[machine] && truth.boots === truth.running,
      "it runs and boots another system",
      { before, truth },
    );
    const hosts = await fleet.machine(machine).shell("cat", "/run/current-system/etc/hosts");
    expect(hosts.includes(`${TOOLS[machine]}.${machine}.example.org`), "that of the commit", hosts);
    await talk.say(`/rollback ${machine}`, ["eyes", "+1"]);
    const back = await succeeded(fleet, head, "snowcat / rollback");
    const after = await fleet.running();
    expect(after[machine] === before[machine], "and back to what it ran", { before, after });
    return [deploy, back];
  },
}));

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
    async () => ({
      checks: project.checks(head).seen(),
      logs: await logsIn(project.checks(head).text(name)),
      ...(await project.stage.state()),
    }),
    PATIENCE,
  );
  const { conclusion = null, output } = all().at(-1) ?? {};
  return { name, conclusion, title: output?.title ?? "" };
}

/** The ends of the logs that a check links to. */
async function logsIn(text: string): Promise<string[]> {
  const links = [...text.matchAll(/\]\((http[^)]*\/logs\/[^)]*)\)/gu)].map(([, url]) => url);
  const logs = links.map(async (url) => (await (await fetch(`${url}/raw`)).text()).slice(-2_000));
  return await Promise.all(logs);
}

/** A check that is to succeed; where it does not, what it says is told. */
async function succeeded(fleet: Fleet, head: string, name: string): Promise<SeenCheck> {
  const check = await completed(fleet, head, name);
  if (check.conclusion === "success") return check;
  const text = fleet.project.checks(head).text(name);
  expect(false, `${name} succeeds`, { ...check, text, logs: await logsIn(text) });
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

export const drift: Scenario = {
  name: "deploy: what was deployed of a pull request that is closed unmerged is drift",
  group: "deploy",
  slow: true,
  async play(stage) {
    const { fleet, head, talk, number } = await proposed(stage, "tried", [CANARY], {
      page: "Tried out",
    });
    await talk.say(`/deploy ${CANARY} ${head} --force`, ["eyes", "+1"]);
    const tried = await succeeded(fleet, head, "snowcat / deploy");
    await ask(fleet, `pulls/${number}`, { state: "closed" });
    const found = () => issueOf(fleet);
    const says = `${head.slice(0, 10)}\` of #${number}, which was closed without being merged`;
    await eventually(
      async () => ((await found())?.body ?? "").includes(says),
      "one issue for the fleet says which machine, and why",
      found,
      PATIENCE,
    );
    const issue = await found();
    expect(issue?.state === "open" && issue.title.startsWith("Drift: "), "it is open", issue);
    const page = await fetch(`${stage.stack.worker.url}/fleet/${fleet.project.repository.id}`);
    expect(page.ok && (await page.text()).includes(CANARY), "the fleet has a page", page.status);
    // The default branch puts it right.
    const main = await fleet.project.pushEmpty("main", "Nothing");
    await fleet.project.judged(main, { patience: PATIENCE });
    await talk.say(`/deploy ${CANARY} ${main}`, ["eyes", "+1"]);
    const back = await succeeded(fleet, main, "snowcat / deploy");
    await eventually(
      async () => !((await found())?.body ?? "").includes(says),
      "the issue tells of it no more",
      found,
      PATIENCE,
    );
    return [tried, back];
  },
};

/** The repository's one issue that is no pull request. */
async function issueOf(fleet: Fleet) {
  const all = (await ask(fleet, "issues?state=all")) as {
    title: string;
    state: string;
    body: string;
    pull_request?: unknown;
  }[];
  return all.find((one) => one.pull_request === undefined);
}

/** Asks GitHub about the repository, or changes what is there, as its owner would. */
async function ask({ project }: Fleet, path: string, change?: object): Promise<unknown> {
  const { github, stack } = project.stage;
  const at = `${github.url}/repos/${project.account.login}/${project.repository.name}/${path}`;
  const response = await fetch(at, {
    method: change === undefined ? "GET" : "PATCH",
    headers: { authorization: `Bearer ${stack.tokens.write}` },
    ...(change === undefined ? {} : { body: JSON.stringify(change) }),
  });
  expect(response.ok, `GitHub answers ${path}`, response.status);
  return await response.json();
}

/** How each machine's deployment of a commit began and ended, by GitHub. Times as GitHub gives them. */
async function deployments(
  fleet: Fleet,
  sha: string,
): Promise<Map<string, { state: string; began: string; ended: string }>> {
  const found = new Map<string, { state: string; began: string; ended: string }>();
  const all = (await ask(fleet, `deployments?sha=${sha}&task=deploy&per_page=100`)) as {
    id: number;
    environment: string;
    created_at: string;
  }[];
  for (const { id, environment, created_at } of all) {
    const [newest] = (await ask(fleet, `deployments/${id}/statuses`)) as {
      state: string;
      created_at: string;
    }[];
    found.set(environment, {
      state: newest?.state ?? "none",
      began: created_at,
      ended: newest?.created_at ?? "",
    });
  }
  return found;
}
