import { expect, type Scenario } from "../scenario.ts";
import { derivation, flake } from "./flakes.ts";

const works = (name: string) => derivation(name, `echo ${name} > $out`);

/** Builds until it is ended. */
const endless = derivation("endless", "echo supersede-endless; while :; do sleep 1; done");

export const supersede: Scenario = {
  name: "a newer push supersedes the run",
  group: "main",
  async play(stage) {
    const project = await stage.project("supersede", {
      "flake.nix": flake({ a: works("supersede-a") }),
    });
    const first = await project.push("feature", {
      "flake.nix": flake({ a: works("supersede-a"), endless }),
    });
    await project.openPull("feature", "Too slow");
    await stage.untilBuilder("supersede-endless");
    const second = await project.push("feature", {
      "flake.nix": flake({ a: works("supersede-a"), b: works("supersede-b") }),
    });
    const old = await project.judged(first);
    const checks = await project.judged(second);
    expect(old.get("snowcat") === "cancelled", "the old run is cancelled, not failed", old.seen());
    expect(checks.get("snowcat") === "success", "the new one is green", checks.seen());
    await stage.expectNoBuilder("supersede-endless");
    return [...old.seen(), ...checks.seen()];
  },
};

export const rerequest: Scenario = {
  name: "a re-request runs again",
  group: "main",
  async play(stage) {
    const broken = derivation("asked-again", "exit 1");
    const project = await stage.project("again", { "flake.nix": flake({ a: works("again-a") }) });
    const head = await project.push("feature", {
      "flake.nix": flake({ a: works("again-a"), broken }),
    });
    await project.openPull("feature", "Fails twice");
    const first = await project.judged(head);
    expect(first.get("snowcat") === "failure", "it fails", first.seen());
    const runs = project.checkRuns(head).length;
    const builds = await stage.jobs(project, "build");
    await project.rerequest(head, "snowcat");
    const checks = await project.judged(head, { moreThan: runs });
    expect(checks.get("snowcat") === "failure", "it fails again", checks.seen());
    expect((await stage.jobs(project, "build")) > builds, "it was really built again");
    return checks.seen();
  },
};

export const fork: Scenario = {
  name: "a fork waits for approval",
  group: "main",
  async play(stage) {
    const project = await stage.project(
      "fork",
      { "flake.nix": flake({ a: works("fork-a") }) },
      { required: ["snowcat"] },
    );
    const stranger = await project.fork();
    const head = await stranger.push("feature", {
      "flake.nix": flake({ a: works("fork-a"), mine: works("fork-b") }),
    });
    const pull = await project.openPull("feature", "From a stranger", stranger);
    const checks = await project.judged(head);
    expect(
      checks.get("snowcat") === "action_required",
      "somebody has to approve it",
      checks.seen(),
    );
    expect(
      /needs approval/iu.test(checks.title("snowcat")),
      "the check says so",
      checks.title("snowcat"),
    );
    expect((await stage.jobs(project)) === 0, "no job");
    expect(!(await pull.merge()).merged, "branch protection holds it back");
    return checks.seen();
  },
};

export const conflict: Scenario = {
  name: "a merge conflict",
  group: "main",
  async play(stage) {
    const project = await stage.project("conflict", {
      "flake.nix": flake({ a: works("conflict-a") }),
      notes: "base\n",
    });
    const head = await project.push("feature", { notes: "feature\n" });
    await project.push("main", { notes: "main\n" });
    await project.openPull("feature", "Both sides changed notes");
    const checks = await project.judged(head);
    expect(
      ["failure", "action_required"].includes(checks.get("snowcat") ?? ""),
      "a conflict blocks",
      checks.seen(),
    );
    expect(
      /conflict/iu.test(checks.title("snowcat")),
      "the check names it",
      checks.title("snowcat"),
    );
    return checks.seen();
  },
};
