import { expect, type Scenario } from "../scenario.ts";
import { derivation, flake } from "./flakes.ts";

/** What the configuration of a repository does to its pull requests. */

const works = (name: string) => derivation(name, `echo ${name} > $out`);

const SETS = `version: 1
evaluate: [{ flake: ., systems: [x86_64-linux] }]
sets:
  pull_request: [packages.*.quick]
  merge_queue: ["*"]
`;

export const mergeGroup: Scenario = {
  name: "the merge queue builds what the pull request did not",
  group: "commands",
  slow: true,
  async play(stage) {
    const { github } = stage;
    const quick = works("queue-quick");
    const project = await stage.project(
      "queue",
      { "flake.nix": flake({ quick, whole: works("queue-whole") }), ".github/snowcat.yml": SETS },
      { required: ["snowcat"] },
    );
    const head = await project.push("feature", {
      "flake.nix": flake({ quick, whole: derivation("queue-broken", "echo it breaks; exit 1") }),
    });
    const { pull } = await project.openPull("feature", "Only the whole is broken");
    const checks = await project.judged(head);
    expect(checks.get("snowcat") === "success", "its own set is good", checks.seen());
    expect(
      checks.title("snowcat").includes("evaluated only"),
      "and the rest is told as not built",
      checks.title("snowcat"),
    );

    const first = await github.enqueue(project.account, project.repository, pull.number);
    const grouped = await project.judged(first.headSha);
    expect(grouped.get("snowcat") === "failure", "the group is not good", grouped.seen());
    expect((await first.conclude()) !== undefined, "so the queue does not merge it");

    const mended = await project.push("feature", {
      "flake.nix": flake({ quick, whole: works("queue-mended") }),
    });
    await project.judged(mended);
    const second = await github.enqueue(project.account, project.repository, pull.number);
    const good = await project.judged(second.headSha);
    expect(good.get("snowcat") === "success", "the mended group is", good.seen());
    const blocked = await second.conclude();
    expect(blocked === undefined, "and is merged", blocked);
    return [...checks.seen(), ...grouped.seen(), ...good.seen()];
  },
};

export const faultyConfiguration: Scenario = {
  name: "a faulty configuration is shown on its line, and a change of it is told",
  group: "commands",
  async play(stage) {
    const project = await stage.project(
      "configured",
      { "flake.nix": flake({ a: works("configured-a") }), ".github/snowcat.yml": "version: 1\n" },
      { required: ["snowcat"] },
    );
    const head = await project.push("feature", {
      ".github/snowcat.yml": "version: 1\nlimits:\n  build_secnds: 60\n",
    });
    const pull = await project.openPull("feature", "A limit");
    const faulty = await project.judged(head);
    expect(faulty.get("snowcat") === "failure", "it is a failure", faulty.seen());
    const [mark] = await faulty.annotations();
    expect(
      mark?.path === ".github/snowcat.yml" && mark.start_line === 3,
      "on the very line",
      await faulty.annotations(),
    );
    expect(!(await pull.merge()).merged, "and blocks the merge");

    const mended = await project.push("feature", {
      ".github/snowcat.yml": "version: 1\nlimits:\n  build_seconds: 60\n",
    });
    const checks = await project.judged(mended);
    expect(checks.get("snowcat") === "success", "mended it is good", checks.seen());
    expect(
      checks.text("snowcat").includes("after the merge only: adds limits.build_seconds"),
      "and what does not count yet is said",
      checks.text("snowcat"),
    );
    expect((await pull.merge()).merged, "and it can be merged");
    return [...faulty.seen(), ...checks.seen()];
  },
};
