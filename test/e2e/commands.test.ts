import { expect, test } from "vitest";
import { derivation, flake } from "../demo/scenarios/flakes.ts";
import { eventually } from "../demo/stage.ts";
import { Conversation } from "../demo/conversation.ts";
import { onStack } from "./suite.ts";

/** What people type on a pull request, on the whole stack. */

const works = (name: string) => derivation(name, `echo ${name} > $out`);
/** GitHub's clock, ahead of ours by so much (ms): a comment that was made long after the head came. */
let ahead = 0;

onStack("commands", { github: { now: () => Date.now() + ahead } }, (at) => {
  test("help and status: eyes at once, a reaction, one comment that is edited, whatever answer is lost", async () => {
    const { stage } = at;
    const project = await stage.project("talk", { "flake.nix": flake({ a: works("talk-a") }) });
    const head = await project.push("feature", { notes: "1\n" });
    const { pull } = await project.openPull("feature", "Talk");
    await project.judged(head);
    const talk = new Conversation(project, pull.number);
    // GitHub makes the comment, and its answer is lost; then lists are late.
    stage.github.fault({
      match: { operationId: "issues/create-comment" },
      kind: "drop-after-commit",
      times: 1,
    });
    stage.github.setListLag(2);
    await talk.say("/help", ["eyes", "+1"]);
    stage.github.setListLag(0);
    await talk.untilSticky("/deploy <targets>");
    await talk.say("/status", ["eyes", "+1"]);
    await talk.untilSticky("success");
    expect(talk.ours()).toHaveLength(1);

    // Nobody's copy of our marker is taken for our comment.
    const copy = talk.type(talk.sticky(), at.stack.accounts.stranger);
    const copied = copy.body;
    await talk.say("/retri\n/status", ["eyes", "confused"]);
    await talk.untilSticky("Did you mean");
    await talk.say("/retry\n".repeat(1_000), ["eyes", "confused"]);
    await talk.untilSticky("1000 commands");
    expect(talk.ours()).toHaveLength(1);
    expect(copy.body).toBe(copied);
    // Not one of them ran: the run of the push is all there is.
    expect(
      new Set((await stage.stack.jobs(project.repository.id)).map(({ job }) => job.split(".")[0]))
        .size,
    ).toBeLessThanOrEqual(2);
  });

  test("what bots say, what is edited and what is deleted does nothing", async () => {
    const { stage } = at;
    const project = await stage.project("silent", { "flake.nix": flake({ a: works("silent-a") }) });
    const head = await project.push("feature", { notes: "1\n" });
    const { pull } = await project.openPull("feature", "Silence");
    await project.judged(head);
    const talk = new Conversation(project, pull.number);
    const { github } = stage;
    const bot = github.createAccount({ login: "helper[bot]", type: "Bot" });
    const silent = [
      github.comment(bot, project.repository, pull.number, `/retry all ${head}`),
      github.comment(project.account, project.repository, pull.number, "Looks good."),
    ];
    github.editComment(project.account, project.repository, silent[1]!, `/retry all ${head}`);
    github.deleteComment(project.account, project.repository, silent[1]!);
    // One inbox, in order: when this one is answered, those before it have been looked at.
    await talk.say("/status", ["eyes", "+1"]);
    expect(silent.flatMap((one) => github.reactions(one))).toEqual([]);
    await talk.untilSticky("/status");
    expect(talk.sticky()).not.toContain("/retry");
    // The same delivery again is the same comment.
    const delivered = github.deliveries().findLast(({ event }) => event === "issue_comment");
    const before = github.requests().length;
    github.redeliver(delivered!.guid);
    await github.settled();
    await talk.say("/status", ["eyes", "+1"]);
    expect(talk.sticky().split("`/status`")).toHaveLength(3);
    expect(github.requests().length).toBeGreaterThan(before);
  });

  test("a push that races a command wins; a young head must be named, an older one need not", async () => {
    const { stage } = at;
    const { github } = stage;
    const broken = derivation("raced", "echo it breaks; exit 3");
    const project = await stage.project("raced", { "flake.nix": flake({ a: works("raced-a") }) });
    const head = await project.push("feature", {
      "flake.nix": flake({ a: works("raced-a"), broken }),
    });
    const { pull } = await project.openPull("feature", "Raced");
    expect((await project.judged(head)).get("snowcat")).toBe("failure");
    const builds = await stage.jobs(project, "build");
    const talk = new Conversation(project, pull.number);

    await talk.say("/retry", ["eyes", "confused"]);
    await eventually(() => talk.ours().length === 2, "a comment of its own with the exact line");
    const asked = talk.ours().find(({ body }) => body.includes(`/retry ${head}`));
    expect(asked?.body).toContain("less than a minute");
    expect(await stage.jobs(project, "build")).toBe(builds);

    // GitHub tells us of the comment, and holds back that somebody pushed after it was written.
    const hold = github.hold();
    const racing = talk.type(`/retry ${head}`);
    const next = await project.push("feature", { notes: "pushed meanwhile\n" });
    hold.release((held) => held.filter(({ event }) => event === "issue_comment"));
    await talk.untilReacted(racing, ["eyes", "-1"]);
    await talk.untilSticky("and the head is");
    expect(project.checkRuns(head).filter(({ name }) => name === "snowcat")).toHaveLength(1);

    const others = github.deliveries().filter(({ status }) => status === "lost on purpose");
    for (const { guid } of others) github.redeliver(guid);
    await project.judged(next);
    const again = await stage.jobs(project, "build");
    // A comment of two minutes later: whoever wrote it has seen this head.
    ahead = 120_000;
    await talk.say("/retry", ["eyes", "+1"]);
    ahead = 0;
    const runs = project.checkRuns(next).length;
    expect((await project.judged(next, { moreThan: runs - 1 })).get("snowcat")).toBe("failure");
    await eventually(async () => (await stage.jobs(project, "build")) > again, "it is built again");
  });

  test("cancel ends what runs; build adds to the set; a check's button does the same", async () => {
    const { stage } = at;
    const endless = derivation(
      "endless-commands",
      "echo commands-endless; while :; do sleep 1; done",
    );
    const project = await stage.project("more", {
      "flake.nix": flake({ a: works("more-a"), b: works("more-b") }),
      ".github/snowcat.yml": "version: 1\nsets: { pull_request: ['packages.*.a'] }\n",
    });
    const head = await project.push("feature", {
      "flake.nix": flake({ a: endless, b: works("more-b") }),
    });
    const { pull } = await project.openPull("feature", "More");
    const talk = new Conversation(project, pull.number);
    await stage.untilBuilder("commands-endless");
    const check = project.checkRuns(head).findLast(({ name }) => name === "snowcat");
    expect(check?.actions.map(({ identifier }) => identifier)).toEqual(["cancel"]);
    stage.github.requestAction(project.account, check!, "cancel");
    const ended = await project.judged(head);
    expect(ended.title("snowcat")).toMatch(/cancelled/iu);
    expect(ended.get("snowcat")).not.toBe("success");
    await stage.expectNoBuilder("commands-endless");
    await talk.untilSticky("ended");

    const fixed = await project.push("feature", {
      "flake.nix": flake({ a: works("more-a"), b: works("more-b") }),
    });
    const first = await project.judged(fixed);
    expect(first.text("snowcat")).not.toMatch(/`packages.x86_64-linux.b`.*succeeded/u);
    const runs = project.checkRuns(fixed).length;
    await talk.say(`/build b ${fixed}`, ["eyes", "+1"]);
    const second = await project.judged(fixed, { moreThan: runs });
    expect(second.get("snowcat")).toBe("success");
    expect(second.text("snowcat")).toContain("packages.x86_64-linux.b");
    await talk.say(`/deploy machine1 ${fixed}`, ["eyes", "-1"]);
    await talk.untilSticky("No deploy runner's own policy names a machine");
  });
});
