import { expect, type Scenario } from "../scenario.ts";
import { derivation, flake } from "./flakes.ts";

const works = (name: string) => derivation(name, `echo building ${name}; echo ${name} > $out`);

export const cleanPullRequest: Scenario = {
  name: "clean pull request",
  group: "main",
  async play(stage) {
    const project = await stage.project(
      "clean",
      { "flake.nix": flake({ hello: works("hello") }), "README.md": "# clean\n" },
      { required: ["snowcat"] },
    );
    const head = await project.push("feature", {
      "flake.nix": flake({ hello: works("hello"), world: works("world") }),
    });
    const pull = await project.openPull("feature", "Add world");
    const checks = await project.judged(head);
    expect(checks.get("snowcat") === "success", "the pull request is green", checks.seen());
    expect(checks.get("snowcat / build") === "success", "both packages are built", checks.seen());
    await stage.expectBuilt(project, "feature", [
      "packages.x86_64-linux.hello",
      "packages.x86_64-linux.world",
    ]);
    expect((await pull.merge()).merged, "branch protection lets it be merged");
    return checks.seen();
  },
};

export const failingBuild: Scenario = {
  name: "one failing build",
  group: "main",
  async play(stage) {
    const project = await stage.project(
      "failing",
      { "flake.nix": flake({ fine: works("fine") }) },
      { required: ["snowcat"] },
    );
    const broken = derivation("broken", "echo before it breaks; exit 3");
    const head = await project.push("feature", {
      "flake.nix": flake({ fine: works("fine"), broken, other: works("other") }),
    });
    const pull = await project.openPull("feature", "Add a package that does not build");
    const checks = await project.judged(head);
    expect(checks.get("snowcat") === "failure", "the whole fails", checks.seen());
    expect(
      checks.get("snowcat / packages.x86_64-linux.broken") === "failure",
      "the failed attribute has a check of its own",
      checks.seen(),
    );
    expect(
      checks.get("snowcat / evaluation") === "success",
      "the evaluation is fine",
      checks.seen(),
    );
    expect(
      checks.text("snowcat / packages.x86_64-linux.broken").includes("before it breaks"),
      "the last log lines are shown",
    );
    await stage.expectBuilt(project, "feature", [
      "packages.x86_64-linux.fine",
      "packages.x86_64-linux.other",
    ]);
    expect(!(await pull.merge()).merged, "branch protection holds it back");
    return checks.seen();
  },
};

export const evaluationError: Scenario = {
  name: "an evaluation error beside attributes that pass",
  group: "main",
  async play(stage) {
    const project = await stage.project("evaluation", {
      "flake.nix": flake({ fine: works("fine") }),
    });
    const text = flake({ fine: works("fine"), thrown: `throw "this attribute is not for you"` });
    const head = await project.push("feature", { "flake.nix": text });
    await project.openPull("feature", "Add an attribute that throws");
    const checks = await project.judged(head);
    const line = text.split("\n").findIndex((one) => one.includes("throw")) + 1;
    const annotations = await checks.annotations();
    expect(checks.get("snowcat") === "failure", "the whole fails", checks.seen());
    expect(checks.get("snowcat / evaluation") === "failure", "the evaluation fails", checks.seen());
    expect(
      annotations.some((one) => one.path === "flake.nix" && one.start_line === line),
      `an annotation on flake.nix line ${line}`,
      annotations,
    );
    await stage.expectBuilt(project, "feature", ["packages.x86_64-linux.fine"]);
    return checks.seen();
  },
};

export const noRunner: Scenario = {
  name: "a required attribute that no runner can build",
  group: "main",
  async play(stage) {
    const configuration =
      "version: 1\nevaluate:\n  - flake: .\n    systems: [x86_64-linux, riscv64-linux]\n";
    const both = (extra: Record<string, string>) => `{
  outputs = { self }: {
    packages.x86_64-linux.here = ${works("here")};
    packages.riscv64-linux.there = ${derivation("there", "echo there > $out", "riscv64-linux")};
${Object.entries(extra)
  .map(([name, value]) => `    packages.x86_64-linux.${name} = ${value};\n`)
  .join("")}  };
}
`;
    const project = await stage.project(
      "no-runner",
      { "flake.nix": both({}), ".github/snowcat.yml": configuration },
      { required: ["snowcat"] },
    );
    const head = await project.push("feature", { "flake.nix": both({ more: works("more") }) });
    const pull = await project.openPull("feature", "Needs a machine that is not there");
    const checks = await project.judged(head);
    expect(
      ["failure", "action_required"].includes(checks.get("snowcat") ?? ""),
      "what is required and cannot be built blocks",
      checks.seen(),
    );
    expect(
      checks.text("snowcat").includes("riscv64-linux"),
      "the check names what is missing",
      checks.text("snowcat"),
    );
    expect(!(await pull.merge()).merged, "branch protection holds it back");
    return checks.seen();
  },
};
