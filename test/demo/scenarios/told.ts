import { readFile } from "node:fs/promises";
import { Conversation } from "../conversation.ts";
import { expect, type Scenario } from "../scenario.ts";
import { eventually } from "../stage.ts";
import { example } from "./example.ts";
import { derivation, flake } from "./flakes.ts";

/** What people are told beside verdicts. */

export const impact: Scenario = {
  name: "an impact comment",
  group: "commands",
  slow: true,
  async play(stage) {
    const project = await stage.project("fleet", await example("fleet"));
    const head = await project.push("new-domain", {
      "machines/web1/configuration.nix": '{ domain = "example.com"; }\n',
    });
    const { pull } = await project.openPull("new-domain", "Another domain");
    const checks = await project.judged(head);
    const talk = new Conversation(project, pull.number);
    await talk.untilSticky("**1 of 7 machines changes.**");
    await talk.say("/status", ["eyes", "+1"]);
    await talk.untilSticky("/status");
    expect(talk.sticky().includes("`web1`"), "the machine is named", talk.sticky());
    expect(talk.ours().length === 1, "impact and commands share one comment", talk.ours());
    return checks.seen();
  },
};

/** Seconds since the machine was started: what a builder can see of the time. */
async function uptime(): Promise<number> {
  return Number.parseFloat(await readFile("/proc/uptime", "utf8"));
}

export const flaky: Scenario = {
  name: "a flaky attribute",
  group: "commands",
  slow: true,
  async play(stage) {
    // Fails until a moment, and passes from then on: the same derivation. On a busy machine the moment may come too early.
    for (const seconds of [12, 60]) {
      const moment = Math.ceil(await uptime()) + seconds;
      const script = `read up rest < /proc/uptime; [ "\${up%%.*}" -ge ${moment} ] || { echo too early; exit 1; }; echo ok > $out`;
      const project = await stage.project(`flaky-${seconds}`, { notes: "1\n" });
      const head = await project.push("feature", {
        "flake.nix": flake({ weather: derivation("weather", script) }),
      });
      const { pull } = await project.openPull("feature", "It depends");
      const first = await project.judged(head);
      if (first.get("snowcat") === "success") continue;
      const cause = "snowcat / packages.x86_64-linux.weather";
      expect(first.get(cause) === "failure", "its cause has a red check", first.seen());
      await eventually(async () => (await uptime()) > moment, "the moment comes");
      const runs = project.checkRuns(head).length;
      const talk = new Conversation(project, pull.number);
      await talk.say(`/retry failed ${head}`, ["eyes", "+1"]);
      const again = await project.judged(head, { moreThan: runs });
      expect(again.get("snowcat") === "success", "it passes", again.seen());
      expect(again.title("snowcat").includes("1 flaky"), "and is marked", again.seen());
      expect(/failed/u.test(again.text("snowcat")), "with both ends", again.text("snowcat"));
      await eventually(
        () => project.checks(head).get(cause) === "success",
        "no red check is left beside the green one",
      );
      const said = project.checks(head).text(cause);
      expect(said.includes("judged again by run") && said.includes("/logs/"), "with its log", said);
      return [...first.seen(), ...project.checks(head).seen()];
    }
    throw new Error("nothing was built before its moment");
  },
};
