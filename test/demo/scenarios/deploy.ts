import { Conversation } from "../conversation.ts";
import { Fleet, flakeOf } from "../fleet.ts";
import { expect, type Scenario } from "../scenario.ts";
import { eventually } from "../stage.ts";

const WAITS = 240_000;

/** A check of a run for machines, when it is completed. */
async function completed(fleet: Fleet, head: string, name: string) {
  const found = () =>
    fleet.project.checkRuns(head).findLast((run) => run.name === name && run.conclusion !== null);
  await eventually(() => found() !== undefined, `${name} is completed`, undefined, WAITS);
  const run = found();
  return { name, conclusion: run?.conclusion ?? null, title: run?.output?.title ?? "" };
}

export const rollout: Scenario = {
  name: "deploy: a hold refuses; a plan; stage by stage; and back",
  group: "deploy",
  slow: true,
  async play(stage) {
    const names = ["web1", "web2"];
    const fleet = await Fleet.start(
      stage,
      "rollout",
      names,
      `machines: { web1: { method: plain, tags: [canary] }, web2: { method: plain } }
rollouts: { web: { stages: ["tag:canary", web2] } }
`,
    );
    try {
      const before = await fleet.runs("web1");
      const head = await fleet.project.push("feature", await flakeOf(names, "2"));
      const { pull } = await fleet.project.openPull("feature", "The next version");
      const judged = await fleet.project.judged(head);
      expect(judged.get("snowcat") === "success", "the head is good", judged.seen());
      const talk = new Conversation(fleet.project, pull.number);
      await talk.say("/hold web2 audit", ["eyes", "+1"]);
      await talk.say(`/deploy web1 web2 ${head}`, ["eyes", "-1"]);
      await talk.say("/unlock web2", ["eyes", "+1"]);
      await talk.say(`/plan web* ${head}`, ["eyes", "+1"]);
      const plan = await completed(fleet, head, "snowcat / plan");
      expect(plan.conclusion === "success", "the plan is made", plan);
      expect((await fleet.runs("web1")) === before, "a plan contacts no machine");
      await talk.say(`/deploy web* ${head}`, ["eyes", "+1"]);
      const deploy = await completed(fleet, head, "snowcat / deploy");
      expect(deploy.conclusion === "success", "both are deployed", deploy);
      expect((await fleet.runs("web1")) !== before, "the machine runs the new system");
      await talk.say("/rollback web1", ["eyes", "+1"]);
      const back = await completed(fleet, head, "snowcat / rollback");
      expect((await fleet.runs("web1")) === before, "the machine runs what it ran before", back);
      return [plan, deploy, back];
    } finally {
      await fleet.close();
    }
  },
};

export const canary: Scenario = {
  name: "deploy: a canary that is sick is taken back, and the rest never touched",
  group: "deploy",
  slow: true,
  async play(stage) {
    const names = ["web1", "web2"];
    const fleet = await Fleet.start(
      stage,
      "canary",
      names,
      `machines:
  web1: { method: plain, health: [{ unit: nothing.service, grace_seconds: 2, interval_seconds: 1 }] }
  web2: { method: plain }
rollouts: { web: { stages: [web1, web2] } }
`,
    );
    try {
      const before = [await fleet.runs("web1"), await fleet.runs("web2")];
      const head = await fleet.project.push("feature", await flakeOf(names, "2"));
      const { pull } = await fleet.project.openPull("feature", "The next version");
      await fleet.project.judged(head);
      const talk = new Conversation(fleet.project, pull.number);
      await talk.say(`/deploy web* ${head}`, ["eyes", "+1"]);
      const deploy = await completed(fleet, head, "snowcat / deploy");
      expect(deploy.conclusion === "failure", "what was taken back is no success", deploy);
      expect(deploy.title.includes("web1 rolled back"), "it says which machine, and how", deploy);
      const after = [await fleet.runs("web1"), await fleet.runs("web2")];
      expect(after.join() === before.join(), "both run what they ran before", { before, after });
      return [deploy];
    } finally {
      await fleet.close();
    }
  },
};
