import { afterEach, beforeEach, expect, test } from "vitest";
import { nixosRebuild } from "../../../src/runner/deploy/methods/nixos-rebuild/index.ts";
import { OTHER, type Rule, standInTools, SYSTEM, type Tools } from "./closure-tools.ts";

/** `nixos-rebuild` is a stand-in: it says what the module's head cites, and lies as both kinds do. */

let tools: Tools;
beforeEach(async () => {
  tools = await standInTools();
});
afterEach(() => tools.close());

const WEB1 = { kind: "nixos-rebuild", directory: ".", configuration: "web1" } as const;
const FLAKE = ["--flake", "TREE#web1", "--fast"];
const words = async () => (await tools.calls()).map((call) => call.words);
const build = async (does: string, more: Partial<Rule> = {}) => {
  await tools.stand("nixos-rebuild", [{ when: ["build"], does, ...more }]);
  return await nixosRebuild.build(tools.place(WEB1));
};
const activate = async (...rules: Rule[]) => {
  await tools.stand("nixos-rebuild", rules);
  return await nixosRebuild.activate(tools.place(WEB1));
};

test("the tool has to be there, and the key has to open a shell", async () => {
  expect(JSON.stringify(await nixosRebuild.check(tools.place(WEB1)))).toContain(
    "PATH of this runner",
  );
  // Asked for help it would show a manual page: it is not started at all.
  await tools.stand("nixos-rebuild", []);
  expect(await nixosRebuild.check(tools.place(WEB1))).toEqual({ kind: "done" });
  const place = tools.place(WEB1);
  const bound = { ...place, policy: { ...place.policy, program: "installed" as const } };
  expect(await nixosRebuild.check(bound)).toMatchObject({ kind: "missing" });
  expect(await words()).toEqual([]);
});

test("what it would deploy is what it builds itself, by the link that both kinds leave", async () => {
  // The link leads into a store that is not there: what counts is where it leads.
  const linked = (to: string) => `mkdir -p out && cd . && rm -f result && ln -s ${to} result`;
  await tools.stand("readlink", [{ when: ["result"], out: `${SYSTEM}\n` }]);
  expect(await build(linked(SYSTEM))).toEqual({ kind: "done" });
  expect((await words())[0]).toEqual(["nixos-rebuild", "build", ...FLAKE]);
  await tools.stand("readlink", [{ when: ["result"], out: `${OTHER}\n` }]);
  expect(JSON.stringify(await build(linked(OTHER)))).toContain(`would deploy ${OTHER}`);
});

test("a build that fails, or that leaves nothing, is refused before the machine is touched", async () => {
  expect(JSON.stringify(await build(":", { err: "error: attribute missing", exit: 1 }))).toContain(
    "attribute missing",
  );
  expect(JSON.stringify(await build(":"))).toContain("would deploy nothing");
});

test("it activates and nothing more: profile and boot entry are Snowcat's", async () => {
  expect(await activate({ when: ["test"] })).toMatchObject({ exitCode: 0, log: "" });
  const [call] = await tools.calls();
  expect(call?.words).toEqual([
    "nixos-rebuild",
    "test",
    ...FLAKE,
    "--target-host",
    "root@192.0.2.7",
  ]);
});

test("what its user may not do by itself, sudo does", async () => {
  await tools.stand("nixos-rebuild", [{ when: ["test"] }]);
  const place = tools.place(WEB1);
  await nixosRebuild.activate({ ...place, policy: { ...place.policy, sudo: true } });
  expect((await words())[0]).toContain("--use-remote-sudo");
});

test.each<[string, Partial<Rule>, object]>([
  [
    "the older kind lost exit code 4",
    {
      err: "warning: the following units failed: web.service\nwarning: error(s) occurred while switching to the new configuration\n",
      exit: 1,
    },
    { exitCode: 4 },
  ],
  ["the newer kind keeps it", { err: "Command '[...]' returned", exit: 4 }, { exitCode: 4 }],
  [
    "1 without failed units is a failure",
    { err: "warning: error(s) occurred while switching to the new configuration\n", exit: 1 },
    { exitCode: 1 },
  ],
  [
    "failed units that it only tells of are no failure of the switch",
    { err: "the following units failed: web.service\n", exit: 1 },
    { exitCode: 1 },
  ],
  [
    "another init needs a reboot, whatever code comes through",
    { err: "The new configuration won't take effect until you reboot the system.\n", exit: 1 },
    { inhibited: expect.stringContaining("init") as string },
  ],
  [
    "inhibitors need a reboot",
    { err: "Pre-switch check 'switchInhibitors' failed\n", exit: 1 },
    { inhibited: expect.stringContaining("inhibitors") as string },
  ],
  ["the link was cut", { err: "Connection to 192.0.2.7 closed", exit: 255 }, { exitCode: 255 }],
])("%s", async (_, answer, expected) => {
  const end = await activate({ when: ["test"], ...answer });
  expect(end).toMatchObject(expected);
  if (!("inhibited" in expected)) expect(end).not.toHaveProperty("inhibited");
});
