import { afterEach, beforeEach, expect, test } from "vitest";
import { colmena } from "../../../src/runner/deploy/methods/colmena/index.ts";
import { OTHER, type Rule, standInTools, SYSTEM, type Tools } from "./closure-tools.ts";

/** `colmena` is a stand-in: it says what zhaofengli/colmena@5bf4ce6a says, and lies as it does. */

let tools: Tools;
beforeEach(async () => {
  tools = await standInTools();
  await tools.put("flake.nix", "{ }");
});
afterEach(() => tools.close());

const WEB1 = { kind: "colmena", directory: ".", node: "web1" } as const;
const VERSION: Rule = { when: ["--version"], out: "colmena 0.5.0\n" };
const COMMON = [
  "--config",
  "TREE/flake.nix",
  "--on",
  "web1",
  "--no-build-on-target",
  "--verbose",
  "--color",
  "never",
];
const INHIBITED = "web1 | Pre-switch check 'switchInhibitors' failed\nweb1 | Failed: exit code 1\n";

const words = async () => (await tools.calls()).map((call) => call.words);
const apply = async (...rules: Rule[]) => {
  await tools.stand("colmena", rules);
  return await colmena.activate(tools.place(WEB1));
};

test("the tool and a hive have to be there", async () => {
  expect(JSON.stringify(await colmena.check(tools.place(WEB1)))).toContain("PATH of this runner");
  await tools.stand("colmena", [VERSION]);
  expect(await colmena.check(tools.place(WEB1))).toEqual({ kind: "done" });
  expect(await colmena.check(tools.place({ ...WEB1, directory: "hosts" }))).toEqual({
    kind: "missing",
    missing: ["there is no flake.nix and no hive.nix in hosts"],
  });
  await tools.put("hosts/hive.nix", "{ }");
  expect(await colmena.check(tools.place({ ...WEB1, directory: "hosts" }))).toEqual({
    kind: "done",
  });
});

test("what it would deploy is what colmena itself builds, on this runner", async () => {
  const built = `[INFO ] Selected 1 out of 3 hosts.\nweb1 | Built "${SYSTEM}"\n`;
  await tools.stand("colmena", [{ when: ["build"], err: built }]);
  expect(await colmena.build(tools.place(WEB1))).toEqual({ kind: "done" });
  expect(await words()).toEqual([["colmena", "build", ...COMMON]]);
});

test.each([
  ["another system", { err: `web1 | Built "${OTHER}"\n` }, `would deploy ${OTHER}`],
  ["nothing, with exit code 0", { err: "done\n" }, "would deploy nothing"],
  ["no node of that name, with exit code 0", { err: "[WARN ] No hosts selected.\n" }, "no host"],
  ["an error", { err: "error: attribute missing\n", exit: 1 }, "attribute missing"],
])("a build of %s is refused before the machine is touched", async (_, answer, why) => {
  await tools.stand("colmena", [{ when: ["build"], ...answer }]);
  const end = await colmena.build(tools.place(WEB1));
  expect(end.kind).toBe("failed");
  expect(JSON.stringify(end)).toContain(why);
});

test("one node is applied, never built on the machine, with nothing that others have", async () => {
  const end = await apply({ when: ["apply", "switch"], err: "web1 | Activation successful\n" });
  expect(end).toMatchObject({ exitCode: 0, log: "web1 | Activation successful\n" });
  expect(await words()).toEqual([
    ["colmena", "apply", "switch", "--parallel", "1", "--no-substitute", ...COMMON],
  ]);
  expect((await tools.calls())[0]?.env["SSH_CONFIG_FILE"]).toMatch(/ssh_config$/u);
});

test("a node without a target host is skipped with exit code 0, and that is no success", async () => {
  const end = await apply({ when: ["apply"], err: "[WARN ] No hosts selected (1 skipped).\n" });
  expect(end).toMatchObject({ exitCode: 0, skipped: expect.stringContaining("targetHost") });
});

test("where only a reboot brings it, the boot entry is written after all", async () => {
  const end = await apply(
    { when: ["switch"], err: INHIBITED, exit: 1 },
    { when: ["boot"], err: "web1 | Will be activated next boot\n" },
  );
  expect(end).toMatchObject({ exitCode: 1, inhibited: expect.stringContaining("inhibitors") });
  expect((await words()).map(([, , goal]) => goal)).toEqual(["switch", "boot"]);
});

test("a boot entry that cannot be written is a failure, and no reboot that is needed", async () => {
  const end = await apply(
    { when: ["switch"], err: INHIBITED, exit: 1 },
    { when: ["boot"], err: "Failed to install bootloader\n", exit: 1 },
  );
  expect(end.exitCode).toBe(1);
  expect(end.inhibited).toBeUndefined();
  expect(end.log).toContain("Failed to install bootloader");
});

test("another init is told behind the boot entry: it is not written again", async () => {
  const err =
    "Warning: the new NixOS configuration has an ‘init’ that is\nincompatible with the current configuration.  The new configuration\nwon't take effect until you reboot the system.\n";
  const end = await apply({ when: ["switch"], err, exit: 1 });
  expect(end).toMatchObject({ inhibited: expect.stringContaining("another init") });
  expect(await words()).toHaveLength(1);
});

test("units that failed are told as NixOS tells them: whether they are to blame, the machine knows", async () => {
  const err =
    "web1 | Failed: Child process exited with error code: 4\n[ERROR] Operation failed with error: Child process exited with error code: 4\n";
  expect(await apply({ when: ["switch"], err, exit: 1 })).toMatchObject({ exitCode: 4 });
});

test("an activation that failed is one", async () => {
  const err = "[ERROR] Operation failed with error: Child process exited with error code: 44\n";
  expect(await apply({ when: ["switch"], err, exit: 1 })).toEqual({
    exitCode: 1,
    timedOut: false,
    log: err,
  });
});
