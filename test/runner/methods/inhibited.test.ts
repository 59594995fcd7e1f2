import { describe, expect, test } from "vitest";
import { judgeActivation } from "../../../src/runner/deploy/engine/activation.ts";
import { inhibitedBy } from "../../../src/runner/deploy/methods/shared/switch.ts";
import type { DeployState } from "../../../src/runner/machine/index.ts";
import { OTHER, SYSTEM } from "./closure-tools.ts";

const INHIBITED = "Pre-switch check 'switchInhibitors' failed\nPre-switch checks failed\n";

describe("only a reboot brings it", () => {
  test.each([
    ["nothing was said", "", null],
    ["inhibitors", INHIBITED, "inhibitors"],
    ["inhibitors, under a tool's prefix", `web1 | ${INHIBITED}`, "inhibitors"],
    ["another check", "Pre-switch check 'databaseIsUp' failed\n", null],
    ["both", `Pre-switch check 'databaseIsUp' failed\n${INHIBITED}`, null],
    [
      "another init",
      "The new configuration\nwon't take effect until you reboot the system.\n",
      "init",
    ],
    ["a unit that failed", "warning: the following units failed: switchInhibitors.service\n", null],
  ])("%s", (_, log, why) => {
    if (why === null) expect(inhibitedBy(log)).toBeNull();
    else expect(inhibitedBy(log)).toContain(why);
  });
});

const state = (more: Partial<DeployState>): DeployState => ({
  counter: 7,
  name: "activated",
  ended: false,
  alive: true,
  since: 0,
  old: OTHER,
  new: SYSTEM,
  activation: 1,
  log: INHIBITED,
  why: null,
  generation: null,
  running: OTHER,
  boots: OTHER,
  rebooted: false,
  newlyFailed: [],
  stillFailed: [],
  guarded: false,
  ...more,
});

test("CLAN-5: an activation that inhibitors refuse needs a reboot, and is not taken back", () => {
  expect(judgeActivation(state({}))).toMatchObject({ kind: "needs-reboot" });
  // Said by something that has changed the machine, it proves nothing.
  expect(judgeActivation(state({ running: SYSTEM }))).toMatchObject({ kind: "sick" });
  expect(judgeActivation(state({ log: "Pre-switch check 'x' failed\n" }))).toMatchObject({
    kind: "sick",
  });
});
