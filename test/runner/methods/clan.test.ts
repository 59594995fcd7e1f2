import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { clan } from "../../../src/runner/deploy/methods/clan/index.ts";
import { OTHER, type Rule, standInTools, SYSTEM, type Tools } from "./closure-tools.ts";

/** `clan` and `nix` are stand-ins: they say what clan-lol/clan-core@d7c35d91 says, and lie as it does. */

let tools: Tools;
beforeEach(async () => {
  tools = await standInTools();
  await tools.put("flake.nix", "{ }");
  await tools.put("vars/shared/key/secret", "sealed");
  await tools.put(".gitignore", "*.tmp\n");
});
afterEach(() => tools.close());

const WEB1 = { kind: "clan", directory: ".", machine: "web1" } as const;
const HELP: Rule = { when: ["--help"], out: "usage: clan\n" };
const LIST: Rule = { when: ["machines", "list"], out: "db1\nweb1\n" };
const VARS: Rule = { when: ["vars", "check"] };
const OPTIONS = ["--flake", "TREE", "--option", "accept-flake-config", "false"];

const words = async () => (await tools.calls()).map((call) => call.words);
const update = async (answer: Omit<Rule, "when">) => {
  await tools.stand("clan", [{ when: ["machines", "update"], ...answer }]);
  return await clan.activate(tools.place(WEB1));
};

describe("CLAN-4: what an update would generate is looked for before it", () => {
  test("of the machine, then of all: an update generates for any machine of the clan", async () => {
    await tools.stand("clan", [HELP, LIST, VARS]);
    expect(await clan.check(tools.place(WEB1))).toEqual({ kind: "done" });
    expect(await words()).toEqual([
      ["clan", "--help"],
      ["clan", "machines", "list", ...OPTIONS],
      ["clan", "vars", "check", ...OPTIONS, "web1"],
      ["clan", "vars", "check", ...OPTIONS],
    ]);
    const [, list] = await tools.calls();
    expect(list?.env).toMatchObject({ CLAN_NO_COMMIT: "1", CLAN_NO_SELECT_DISK_CACHE: "1" });
    expect(list?.env["NIXOS_NO_CHECK"]).toBeUndefined();
  });

  test("what lacks is told by name, and nothing is generated", async () => {
    const lacking =
      "Secret var 'id' for service 'ssh' in machine web1 is missing.\nPublic var 'id.pub' for service 'ssh' in machine web1 is missing.\nCheck results for machine 'web1': \nMissing secret vars:\n  - ssh/id\n";
    await tools.stand("clan", [HELP, LIST, { ...VARS, err: lacking, exit: 1 }]);
    expect(await clan.check(tools.place(WEB1))).toEqual({
      kind: "missing",
      missing: [
        "Secret var 'id' for service 'ssh' in machine web1 is missing.",
        "Public var 'id.pub' for service 'ssh' in machine web1 is missing.",
      ],
    });
    expect((await words()).flat()).not.toContain("update");
  });

  test("another machine's vars would be generated as well", async () => {
    const err = "Generator 'wifi' in machine db1 has outdated invalidation hash.\n";
    await tools.stand("clan", [
      HELP,
      LIST,
      { ...VARS, when: ["vars", "check", "web1"] },
      { ...VARS, err, exit: 1 },
    ]);
    const end = await clan.check(tools.place(WEB1));
    expect(end).toMatchObject({ kind: "missing" });
    expect(JSON.stringify(end)).toMatch(/any machine of the clan.*wifi/u);
  });

  test("a check that fails for another reason is no missing secret", async () => {
    await tools.stand("clan", [HELP, LIST, { ...VARS, err: "error: attribute missing", exit: 1 }]);
    const end = await clan.check(tools.place(WEB1));
    expect(end).toMatchObject({ kind: "failed" });
    expect(JSON.stringify(end)).toContain("attribute missing");
  });

  test("a name that the inventory has not passes clan's own check with 0: it is missing here", async () => {
    await tools.stand("clan", [HELP, { ...LIST, out: "web10\ndb1\n" }, VARS]);
    expect(await clan.check(tools.place(WEB1))).toMatchObject({ kind: "missing" });
  });

  test("a key that opens no shell, and a login that is not root's, are told before anything runs", async () => {
    const place = tools.place(WEB1);
    for (const [more, why] of [
      [{ program: "installed" }, "opens a shell"],
      [{ user: "deployer" }, "login as root"],
    ] as const) {
      const end = await clan.check({ ...place, policy: { ...place.policy, ...more } });
      expect(end.kind).toBe("missing");
      expect(JSON.stringify(end)).toContain(why);
    }
    expect(await words()).toEqual([]);
  });

  test("a runner without clan says so", async () => {
    const end = await clan.check(tools.place(WEB1));
    expect(end).toMatchObject({ kind: "missing" });
    expect(JSON.stringify(end)).toContain("PATH of this runner's tools");
  });
});

describe("what clan would deploy", () => {
  const nix = async (system: string) => {
    const path = `/nix/store/${"d".repeat(32)}-source`;
    await tools.stand("nix", [
      { when: ["metadata"], out: JSON.stringify({ path }) },
      { when: ["eval"], out: system },
    ]);
    return path;
  };

  test("is asked as clan asks: the store path of the tree, the name in quotes, no settings of the flake", async () => {
    const path = await nix(SYSTEM);
    expect(await clan.build(tools.place(WEB1))).toEqual({ kind: "done" });
    const [, evaluated] = await words();
    expect(evaluated?.at(-1)).toBe(
      `${path}#nixosConfigurations."web1".config.system.build.toplevel.outPath`,
    );
    expect(evaluated?.join(" ")).toContain("--option accept-flake-config false");
  });

  test("is refused where it is not what was approved", async () => {
    await nix(OTHER);
    const end = await clan.build(tools.place(WEB1));
    expect(end).toMatchObject({ kind: "failed" });
    expect(JSON.stringify(end)).toContain(`would deploy ${OTHER}, and ${SYSTEM} was approved`);
  });

  test("a folder that Nix would read as more than a folder is refused before anything runs", async () => {
    for (const directory of ["a#b", "a?dir=b", "a b", 'a"b', "a:b"])
      expect(await clan.check(tools.place({ ...WEB1, directory }))).toMatchObject({
        kind: "failed",
      });
    expect(await words()).toEqual([]);
  });
});

describe("CLAN-5: an update", () => {
  test("is of one machine, built here, at the policy's address, with strict host keys", async () => {
    expect(await update({ out: "done\n" })).toEqual({
      exitCode: 0,
      timedOut: false,
      log: "done\n",
    });
    expect(await words()).toEqual([
      [
        "clan",
        "machines",
        "update",
        ...OPTIONS,
        "--build-host",
        "localhost",
        "--host-key-check",
        "strict",
        "--target-host",
        "root@192.0.2.7:2222",
        "web1",
      ],
    ]);
  });

  test("an IPv6 address stands in brackets", async () => {
    await tools.stand("clan", [{ when: [] }]);
    const place = tools.place(WEB1);
    const ssh = { ...place.ssh, host: "2001:db8::7" };
    await clan.activate({ ...place, ssh });
    expect((await words())[0]).toContain("root@[2001:db8::7]:2222");
  });

  test("a machine that was passed over with exit code 0 is no success", async () => {
    const err =
      "WARNING: No machines to update.\nThe following defined machines were ignored because they\n- Require explicit update\nweb1\n";
    const end = await update({ err });
    expect(end).toMatchObject({ exitCode: 0, skipped: expect.stringContaining("no machine") });
  });

  test("switch inhibitors mean that it needs a reboot, and clan has written the boot entry", async () => {
    const err =
      "Pre-switch check 'switchInhibitors' failed\nPre-switch checks failed\nLive-switching 'web1' was blocked by switch inhibitors\n1 hosts failed with an error. Check the logs above\n";
    const end = await update({ err, exit: 1 });
    expect(end).toMatchObject({ exitCode: 1, inhibited: expect.stringContaining("inhibitors") });
  });

  test("another check that failed is called an inhibitor by clan, and is none", async () => {
    const err =
      "Pre-switch check 'databaseIsUp' failed\nPre-switch checks failed\nLive-switching 'web1' was blocked by switch inhibitors\n";
    const end = await update({ err, exit: 1 });
    expect(end.exitCode).toBe(1);
    expect(end.inhibited).toBeUndefined();
  });

  test("a failed update is neither passed over nor inhibited", async () => {
    const end = await update({ err: "switch-to-configuration failed (exit code 4)\n", exit: 1 });
    expect(end).toEqual({
      exitCode: 1,
      timedOut: false,
      log: "switch-to-configuration failed (exit code 4)\n",
    });
  });
});

describe("CLAN-4: the checkout is the same afterwards", () => {
  const after = {} as Parameters<typeof clan.verify>[1];
  const updated = async (does: string) => {
    await tools.stand("clan", [HELP, LIST, VARS, { when: ["machines", "update"], does }]);
    const place = tools.place(WEB1);
    expect(await clan.check(place)).toEqual({ kind: "done" });
    await clan.activate(place);
    return await clan.verify(place, after);
  };

  test("as it is where clan leaves it alone", async () => {
    expect(await updated("touch flake.nix")).toEqual([]);
  });

  test.each([
    ["a secret is generated", "echo new > vars/shared/key/other"],
    ["inventory.json is rewritten by a migration", "echo '{}' > inventory.json"],
    ["a file is removed", "rm vars/shared/key/secret"],
    ["an ignored file comes", "echo new > result.tmp"],
    ["a program loses its right to run", "chmod +x flake.nix"],
  ])("it is told where %s", async (_, does) => {
    const wrong = await updated(does);
    expect(wrong).toHaveLength(1);
    expect(wrong[0]).toContain("clan changed the checkout");
  });

  test("what was not looked at before is not called unchanged", async () => {
    expect(await clan.verify(tools.place(WEB1), after)).toEqual([
      "whether clan changed the checkout is not known",
    ]);
  });
});
