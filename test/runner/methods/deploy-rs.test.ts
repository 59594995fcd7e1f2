import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deployRs } from "../../../src/runner/deploy/methods/deploy-rs/index.ts";
import { type Rule, standInTools, type Tools } from "./closure-tools.ts";

/** `deploy` and `nix` are stand-ins: they say what serokell/deploy-rs@d5eff7f9 says, and lie as it does. */

let tools: Tools;
beforeEach(async () => {
  tools = await standInTools();
});
afterEach(() => tools.close());

const WEB1 = { kind: "deploy-rs", directory: ".", node: "web1", profile: "system" } as const;
const SAID = { profilePath: null, user: "root", remoteBuild: false };
const words = async () => (await tools.calls()).map((call) => call.words);

/** A system, and a package that has links into one. */
async function store(wrapped: "it" | "another") {
  const folders = ["system", "other", "wrapper"].map((name) => join(tools.tree, name));
  const [system, other, wrapper] = folders as [string, string, string];
  for (const folder of folders) await mkdir(join(folder, "bin"), { recursive: true });
  for (const name of ["activate", "bin/switch-to-configuration"]) {
    for (const folder of [system, other]) await writeFile(join(folder, name), "");
    await symlink(join(wrapped === "it" ? system : other, name), join(wrapper, name));
  }
  return { system, wrapper };
}

async function build(said: object, system?: string) {
  await tools.stand("nix", [{ when: ["eval"], out: JSON.stringify(said) }, { when: ["build"] }]);
  return await deployRs.build(tools.place(WEB1, system === undefined ? {} : { system }));
}
const activate = async (...rules: Rule[]) => {
  await tools.stand("deploy", rules);
  return await deployRs.activate(tools.place(WEB1));
};

test("the tool has to be there", async () => {
  expect(JSON.stringify(await deployRs.check(tools.place(WEB1)))).toContain("PATH of this runner");
  await tools.stand("deploy", [{ when: ["--version"], out: "deploy 1.0\n" }]);
  expect(await deployRs.check(tools.place(WEB1))).toEqual({ kind: "done" });
});

test("its package has to be one of the approved system", async () => {
  const { system, wrapper } = await store("it");
  expect(await build({ ...SAID, path: wrapper }, system)).toEqual({ kind: "done" });
  const [evaluated, built] = await words();
  expect(evaluated).toContain("TREE#deploy");
  expect(built?.at(-1)).toBe('TREE#deploy.nodes."web1".profiles."system".path');
});

test("a package of another system, or of none, is refused before the machine is touched", async () => {
  const { system, wrapper } = await store("another");
  const other = await build({ ...SAID, path: wrapper }, system);
  expect(other.kind).toBe("failed");
  expect(JSON.stringify(other)).toMatch(/activate leads to .*\/other\/activate; approved was/u);
  const noop = await build({ ...SAID, path: join(tools.tree, "nothing") }, system);
  expect(noop.kind).toBe("failed");
  expect(JSON.stringify(noop)).toContain("cannot be followed");
});

test.each([
  ["is built on the machine", { remoteBuild: true }, "remoteBuild"],
  ["is another user's", { user: "deployer" }, "not the machine's system profile"],
  ["lies elsewhere", { profilePath: "/nix/var/nix/profiles/other" }, "system profile"],
])("a profile that %s is refused", async (_, more, why) => {
  const end = await build({ ...SAID, ...more, path: "/nix/store/x" });
  expect(end.kind).toBe("failed");
  expect(JSON.stringify(end)).toContain(why);
});

test("a profile whose user is not said is the user's who logs in", async () => {
  const { system, wrapper } = await store("it");
  expect(await build({ ...SAID, user: null, path: wrapper }, system)).toEqual({ kind: "done" });
});

test("what is not a profile is refused", async () => {
  expect(await build({ path: 7 })).toMatchObject({ kind: "failed" });
});

test("one profile is deployed with no rollback and no options but the runner's", async () => {
  expect(await activate({ when: [], err: "Success activating, done!\n" })).toMatchObject({
    exitCode: 0,
  });
  expect(await words()).toEqual([
    [
      "deploy",
      "--skip-checks",
      "--auto-rollback",
      "false",
      "--magic-rollback",
      "false",
      "--rollback-succeeded",
      "false",
      "--interactive-sudo",
      "false",
      "--fast-connection",
      "true",
      "--hostname",
      "192.0.2.7",
      "--ssh-user",
      "root",
      "--ssh-opts=-oBatchMode=yes",
      'TREE#"web1"."system"',
    ],
  ]);
});

test("where only a reboot brings it, the boot entry is written after all", async () => {
  const end = await activate(
    { when: ["--boot"], err: "Success activating for next boot, done!\n" },
    { when: [], err: "Pre-switch check 'switchInhibitors' failed\n", exit: 1 },
  );
  expect(end).toMatchObject({ exitCode: 1, inhibited: expect.stringContaining("inhibitors") });
  expect((await words()).map((call) => call.includes("--boot"))).toEqual([false, true]);
});

test("a failed check of another name is a failed activation", async () => {
  const err =
    "Pre-switch check 'switchInhibitors' failed\nPre-switch check 'databaseIsUp' failed\n";
  const end = await activate({ when: [], err, exit: 1 });
  expect(end.exitCode).toBe(1);
  expect(end.inhibited).toBeUndefined();
  expect(await words()).toHaveLength(1);
});

test("units that failed are told as NixOS tells them: whether they are to blame, the machine knows", async () => {
  const said = (code: number) =>
    `⭐ ❌ [activate] [ERROR] The activation script resulted in a bad exit code: Some(${code})\n❌ [deploy] [ERROR] Activating over SSH resulted in a bad exit code: Some(1)\n`;
  expect(await activate({ when: [], err: said(4), exit: 1 })).toMatchObject({ exitCode: 4 });
  expect(await activate({ when: [], err: said(2), exit: 1 })).toMatchObject({ exitCode: 1 });
});
