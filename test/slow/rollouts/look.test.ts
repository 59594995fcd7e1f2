import { expect, test } from "vitest";
import { Fleet, SITE } from "../../demo/fleet.ts";
import { eventually } from "../../demo/stage.ts";
import { onStack } from "../../e2e/suite.ts";
import { drift } from "./told.ts";

/** A repository's machines are looked at within two minutes of its first push (ms); twice that. */
const PATIENCE = 240_000;

onStack("a fleet that nobody asks about", {}, (at) => {
  test("is looked at, and what was done by hand is found", async () => {
    const fleet = await Fleet.of(at.stage);
    const [, machine, itself] = SITE;
    const other = `/nix/store/${"0".repeat(32)}-by-hand`;
    const byHand = `cp -a "$(readlink -f /run/current-system)" ${other} && ln -sfn ${other} /run/current-system`;
    await fleet.machine(machine).shell("sh", "-c", byHand);
    // It updates itself, says its systemd.
    const unit = "mkdir -p /run/stand-in && echo active > /run/stand-in/comin.service";
    await fleet.machine(itself).shell("sh", "-c", unit);
    // Nothing is known of a repository before its first push.
    const main = await fleet.project.push("main", { "README.md": "Five machines.\n" });
    await eventually(
      async () => (await drift(fleet))?.title === "Drift: 2 of 5 machines",
      "what was done by hand is told",
      () => at.stage.state(),
      PATIENCE,
    );
    const issue = await drift(fleet);
    expect(issue?.title).toBe("Drift: 2 of 5 machines");
    expect(issue?.body).toContain(`it runs \`${other.slice("/nix/store/".length)}\``);
    expect(issue?.body).toContain(`/deploy ${machine} ${main}`);
    expect(issue?.body).toContain(`#### \`${itself}\`\n\n- It updates itself by \`comin.service\``);
    // A look judges no commit.
    expect(fleet.project.checkRuns(main).map(({ name }) => name)).not.toContain(
      "snowcat / observe",
    );
  });
});
