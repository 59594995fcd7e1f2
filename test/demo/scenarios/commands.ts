import { Conversation } from "../conversation.ts";
import { expect, type Scenario } from "../scenario.ts";
import { eventually, type Stage } from "../stage.ts";
import { derivation, flake } from "./flakes.ts";

/** What people type on pull requests. */

const works = (name: string) => derivation(name, `echo ${name} > $out`);

export const helpAndStatus: Scenario = {
  name: "help and status in one comment",
  group: "commands",
  slow: true,
  async play(stage) {
    const project = await stage.project("help", { "flake.nix": flake({ a: works("help-a") }) });
    const head = await project.push("feature", { notes: "1\n" });
    const { pull } = await project.openPull("feature", "What can I say?");
    const checks = await project.judged(head);
    const talk = new Conversation(project, pull.number);
    await talk.say("/help", ["eyes", "+1"]);
    await talk.untilSticky("/ok-to-test <sha>");
    await talk.say("/status", ["eyes", "+1"]);
    await talk.untilSticky("`success`");
    await talk.say("/stauts", ["eyes", "confused"]);
    await talk.untilSticky("Did you mean `/status`?");
    expect(talk.ours().length === 1, "one comment says it all", talk.ours());
    return checks.seen();
  },
};

export const approvedFork: Scenario = {
  name: "a fork's pull request approved by SHA",
  group: "commands",
  slow: true,
  async play(stage) {
    const untrusted = await stage.stack.addRunner({ name: "untrusted", pool: "untrusted" });
    const { project, talk, head } = await proposedByFork(stage, "approved");
    await talk.say(`/ok-to-test ${head}`, ["eyes", "-1"], stage.stack.accounts.stranger);
    await talk.untilSticky("is for somebody with at least `write`");
    expect(untrusted.jobs().length === 0, "their own word does not count");
    await talk.say(`/ok-to-test ${head}`, ["eyes", "+1"]);
    const green = () => project.checks(head).get("snowcat") === "success";
    await eventually(green, "the approved commit is judged", () => project.checks(head).seen());
    expect(untrusted.jobs().length > 0, "in the untrusted pool");
    expect((await stage.jobs(project)) === untrusted.jobs().length, "and nowhere else");
    return project.checks(head).seen();
  },
};

export const staleSha: Scenario = {
  name: "a stale SHA is refused",
  group: "commands",
  slow: true,
  async play(stage) {
    const { project, fork, talk, head } = await proposedByFork(stage, "stale");
    const next = await fork.push("feature", { notes: "something else\n" });
    await project.judged(next);
    await talk.say(`/ok-to-test ${head}`, ["eyes", "-1"]);
    await talk.untilSticky(`the head is \`${next}\` now`);
    expect((await stage.jobs(project)) === 0, "neither of the two commits ran");
    return project.checks(next).seen();
  },
};

export const retry: Scenario = {
  name: "what failed is tried again, by a command and by a button",
  group: "commands",
  slow: true,
  async play(stage) {
    const project = await stage.project("retry", { "flake.nix": flake({ a: works("retry-a") }) });
    const head = await project.push("feature", {
      "flake.nix": flake({ a: works("retry-a"), broken: derivation("retry-broken", "exit 1") }),
    });
    const { pull } = await project.openPull("feature", "Fails again and again");
    expect((await project.judged(head)).get("snowcat") === "failure", "it fails");
    const talk = new Conversation(project, pull.number);

    let checks = project.checkRuns(head).length;
    let builds = await stage.jobs(project, "build");
    await talk.say(`/retry failed ${head}`, ["eyes", "+1"]);
    await project.judged(head, { moreThan: checks });
    expect((await stage.jobs(project, "build")) > builds, "the command had it built again");

    checks = project.checkRuns(head).length;
    builds = await stage.jobs(project, "build");
    const pressed = project.checkRuns(head).findLast(({ name }) => name === "snowcat");
    expect(pressed !== undefined, "there is a check with a button");
    stage.github.requestAction(project.account, pressed, "retry");
    const after = await project.judged(head, { moreThan: checks });
    expect((await stage.jobs(project, "build")) > builds, "and so did the button");
    expect(after.get("snowcat") === "failure", "it fails as it should", after.seen());
    return after.seen();
  },
};

async function proposedByFork(stage: Stage, name: string) {
  const files = { "flake.nix": flake({ a: works(`${name}-a`) }) };
  const project = await stage.project(`${name}-fork`, files);
  const fork = await project.fork();
  const head = await fork.push("feature", {
    "flake.nix": flake({ a: works(`${name}-a`), mine: works(`${name}-b`) }),
  });
  const { pull } = await project.openPull("feature", "From a stranger", fork);
  const checks = await project.judged(head);
  expect(checks.get("snowcat") === "action_required", "it waits", checks.seen());
  return { project, fork, head, talk: new Conversation(project, pull.number) };
}
