import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { script } from "../../../src/runner/deploy/methods/script/index.ts";
import { standInTools, type Tools } from "./closure-tools.ts";

let tools: Tools;
beforeEach(async () => {
  tools = await standInTools();
});
afterEach(() => tools.close());

const work = (...argv: string[]) => ({ kind: "script", directory: "ops", argv }) as const;
const executable = async (file: string, content: string) => {
  await tools.put(file, content);
  await chmod(join(tools.tree, file), 0o755);
};

test("its folder and its program have to be there", async () => {
  expect(await script.check(tools.place(work("./deploy")))).toEqual({
    kind: "missing",
    missing: ["there is no folder ops"],
  });
  await tools.put("ops/deploy", "#!/bin/sh\n");
  expect(await script.check(tools.place(work("./deploy")))).toMatchObject({ kind: "missing" });
  await executable("ops/deploy", "#!/bin/sh\n");
  expect(await script.check(tools.place(work("./deploy")))).toEqual({ kind: "done" });
  // A name is looked for on the PATH, and what a shell would do itself is no program.
  expect(await script.check(tools.place(work("deploy")))).toMatchObject({ kind: "missing" });
  expect(await script.check(tools.place(work("cd", "/")))).toMatchObject({ kind: "missing" });
  await tools.stand("ansible", []);
  expect(await script.check(tools.place(work("ansible", "-x")))).toEqual({ kind: "done" });
  expect(await tools.calls()).toEqual([]);
});

test("it is run word for word in its folder, and told of the machine", async () => {
  await tools.put("ops/hosts", "");
  await tools.stand("ansible", [{ when: [], does: "pwd; exec 2>&1", err: "done\n" }]);
  const argv = ["ansible", "$(reboot)", "a b", "'"];
  const end = await script.activate(tools.place(work(...argv)));
  expect(end).toEqual({ exitCode: 0, timedOut: false, log: `${tools.tree}/ops\ndone\n` });
  const [call] = await tools.calls();
  expect(call?.words).toEqual(argv);
  expect(call?.env).toMatchObject({
    SNOWCAT_MACHINE: "web1",
    SNOWCAT_HOST: "192.0.2.7",
    SNOWCAT_PORT: "2222",
    SNOWCAT_USER: "root",
    SNOWCAT_COUNTER: "7",
  });
});

test("its exit code is what it says", async () => {
  await executable("ops/deploy", "#!/bin/sh\nfalse | true\n");
  const lied = await script.activate(tools.place(work("./deploy")));
  // Lost in a pipe: nothing here can know; what runs on the machine does.
  expect(lied.exitCode).toBe(0);
  await executable("ops/deploy", "#!/bin/sh\nexit 3\n");
  expect(await script.activate(tools.place(work("./deploy")))).toMatchObject({ exitCode: 3 });
});
