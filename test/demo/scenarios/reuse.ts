import { expect, type Scenario } from "../scenario.ts";
import type { Project } from "../stage.ts";
import { derivation, flake } from "./flakes.ts";

const works = (name: string) => derivation(name, `echo ${name} > $out`);

export const emptyCommit: Scenario = {
  name: "an empty commit uses no runner",
  group: "main",
  async play(stage) {
    const project = await stage.project("empty", { "flake.nix": flake({ a: works("empty-a") }) });
    const first = await project.push("feature", {
      "flake.nix": flake({ a: works("empty-a"), b: works("empty-b") }),
    });
    await project.openPull("feature", "First, then nothing");
    await project.judged(first);
    const before = await stage.jobs(project);
    const second = await project.pushEmpty("feature", "nothing changes");
    const checks = await project.judged(second);
    expect(
      checks.get("snowcat") === "success",
      "the verdict of the same tree holds",
      checks.seen(),
    );
    expect((await stage.jobs(project)) === before, "no runner was used", {
      before,
      after: await stage.jobs(project),
    });
    return checks.seen();
  },
};

export const fastForward: Scenario = {
  name: "a fast-forward of a judged tree uses no runner",
  group: "main",
  async play(stage) {
    const project = await stage.project("forward", {
      "flake.nix": flake({ a: works("forward-a") }),
    });
    const head = await project.push("feature", {
      "flake.nix": flake({ a: works("forward-a"), b: works("forward-b") }),
    });
    await project.openPull("feature", "To be fast-forwarded");
    await project.judged(head);
    const before = await stage.jobs(project);
    const runs = project.checkRuns(head).length;
    await project.fastForward("main", head);
    const checks = await project.judged(head, { moreThan: runs });
    expect(checks.get("snowcat") === "success", "main has the verdict of the tree", checks.seen());
    expect((await stage.jobs(project)) === before, "no runner was used", {
      before,
      after: await stage.jobs(project),
    });
    return checks.seen();
  },
};

export const docsOnly: Scenario = {
  name: "a docs-only commit is evaluated and builds nothing",
  group: "main",
  async play(stage) {
    const project = await stage.project("docs", {
      "flake.nix": flake({ a: works("docs-a") }),
      "README.md": "one\n",
    });
    await project.judged(await project.push("main", { "README.md": "the base\n" }));
    const first = await project.push("feature", { "README.md": "two\n" });
    await project.openPull("feature", "Words");
    await project.judged(first);
    const builds = await stage.jobs(project, "build");
    const evaluations = await stage.jobs(project, "evaluate");
    const second = await project.push("feature", { "README.md": "three\n" });
    const checks = await project.judged(second);
    expect(checks.get("snowcat") === "success", "green", checks.seen());
    expect((await stage.jobs(project, "evaluate")) === evaluations + 1, "it was evaluated once");
    expect((await stage.jobs(project, "build")) === builds, "nothing was built");
    expect(await isCompared(project), "it is compared with its base");
    return checks.seen();
  },
};

/** The base's evaluation is kept a moment after its checks have left: one of the next pushes finds it. */
async function isCompared(project: Project): Promise<boolean> {
  for (let push = 1; push <= 10; push += 1) {
    const head = await project.push("feature", {
      "README.md": `push ${push}
`,
    });
    const told = (await project.judged(head)).text("snowcat / evaluation");
    if (told.includes("No attribute differs from the base")) return true;
  }
  return false;
}
