import { expect, test } from "vitest";
import { onStack } from "../../e2e/suite.ts";
import { eventually } from "../../demo/stage.ts";

onStack("private inputs, from the default branch's list to the check", {}, (at) => {
  test("the default branch's list opens them for the account's own changes; a pull request's list and a fork open nothing", async () => {
    const { stage, stack } = at;
    const untrusted = await stack.addRunner({ name: "untrusted", pool: "untrusted" });
    const hidden = await stage.project(
      "hidden",
      { "flake.nix": '{ outputs = _: { word = "from-hidden"; }; }\n' },
      { private: true },
    );
    const name = `${hidden.account.login}/hidden`;
    const uses = (word: string) => ({
      "flake.nix": `{
  inputs.hidden.url = "git+${stage.github.cloneUrl(hidden.repository)}?ref=main";
  outputs = { hidden, ... }: {
    packages.x86_64-linux.a = derivation {
      name = "\${hidden.word}-${word}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
    };
  };
}
`,
    });
    const list = { ".github/snowcat.yml": `inputs:\n  private: [${name}]\n` };
    const project = await stage.project("wants", { notes: "none\n" });

    const head = await project.push("feature", { ...uses("a"), ...list });
    await project.openPull("feature", "lists for itself");
    const closed = await project.judged(head);
    expect(closed.get("snowcat")).toBe("failure");
    expect(closed.text("snowcat / evaluation")).toContain(`list ${name} under inputs.private`);

    const open = await project.judged(await project.push("main", { ...uses("b"), ...list }));
    expect(open.get("snowcat")).toBe("success");

    const fork = await project.fork();
    const outside = await fork.push("theirs", uses("c"));
    const { pull } = await project.openPull("theirs", "From a stranger", fork);
    expect((await project.judged(outside)).get("snowcat")).toBe("action_required");
    const text = `/ok-to-test ${outside}`;
    stage.github.comment(stack.accounts.owner, project.repository, pull.number, text);
    await eventually(
      () => project.checks(outside).get("snowcat") === "failure",
      "the fork's run fails",
      () => project.checks(outside).seen(),
    );
    expect(project.checks(outside).text("snowcat / evaluation")).toMatch(
      /a fork's or an untrusted change never has one/u,
    );
    expect(untrusted.jobs().length).toBe(1);
    expect([...stack.runner.lines, ...stack.worker.log].join("\n")).not.toMatch(/ghs_\d+_/u);
  });
});
