import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { DeployAction } from "../../../src/protocol/machine.ts";
import { DeployPolicy } from "../../../src/runner/deploy/policy/policy.ts";
import { secretsFor, textsOf } from "../../../src/runner/deploy/secrets.ts";
import { policyJson, SPEAKER } from "./support.ts";

/** Secrets of the operator's: which deploy is given which. */

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "snowcat-secrets-"));
  await writeFile(join(directory, "token"), "a token of web\nits second line\n");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const source: DeployAction = { kind: "source", tree: "b".repeat(40) };
const back: DeployAction = { kind: "generation", number: null, system: null };
const work = (ref: string, action: DeployAction = source) => ({ ref, action });
const policy = (change: object = {}) =>
  DeployPolicy.parse({
    ...policyJson(),
    secrets: [
      {
        name: "token",
        file: join(directory, "token"),
        machines: ["web"],
        repositories: [{ host: "github.com", id: 7 }],
        refs: ["refs/heads/main", "refs/heads/release/*"],
        ...change,
      },
    ],
  });

it("are given where machine, repository, ref and kind all fit", async () => {
  expect(await secretsFor(policy(), SPEAKER, "web", work("refs/heads/release/1"))).toEqual({
    kind: "read",
    files: [{ name: "token", content: "a token of web\nits second line\n" }],
  });
});

it("have a variable where a tool looks for them by one, and it is the path's", async () => {
  const named = policy({ variable: "SOPS_AGE_KEY_FILE" });
  expect(await secretsFor(named, SPEAKER, "web", work("refs/heads/main"))).toMatchObject({
    files: [{ name: "token", variable: "SOPS_AGE_KEY_FILE" }],
  });
  for (const variable of ["path", "A-B", "", "A=B", "1A"])
    expect(() => policy({ variable })).toThrow(/variable/u);
});

it.each([
  ["another machine", SPEAKER, "db", work("refs/heads/main")],
  ["another repository", { ...SPEAKER, repository: 8 }, "web", work("refs/heads/main")],
  ["another host", { ...SPEAKER, host: "github.example" }, "web", work("refs/heads/main")],
  ["another branch", SPEAKER, "web", work("refs/heads/main2")],
  ["a rollback, unless the rule says so", SPEAKER, "web", work("refs/heads/main", back)],
])("are not given to %s", async (_name, speaker, machine, of) => {
  expect(await secretsFor(policy(), speaker, machine, of)).toEqual({ kind: "read", files: [] });
});

it("that a rule gives to rollbacks are given to those alone", async () => {
  const rule = policy({ kinds: ["rollback"] });
  const names = async (action: DeployAction) => {
    const secrets = await secretsFor(rule, SPEAKER, "web", work("refs/heads/main", action));
    return secrets.kind === "read" ? secrets.files.map(({ name }) => name) : secrets;
  };
  expect(await names(back)).toEqual(["token"]);
  expect(await names(source)).toEqual([]);
});

it("that cannot be read keep the deploy from beginning, and their path is not told", async () => {
  const gone = await secretsFor(
    policy({ file: join(directory, "gone") }),
    SPEAKER,
    "web",
    work("refs/heads/main"),
  );
  expect(gone).toEqual({ kind: "missing", missing: ["secret token: ENOENT"] });
});

it("are masked whole and line by line", () => {
  expect(textsOf([{ name: "token", content: "one two\n\n three four \n" }])).toEqual([
    "one two\n\n three four",
    "one two",
    "three four",
  ]);
});

it.each([
  ["no rule for repositories", { repositories: [] }],
  ["a name that is a path", { name: "../token" }],
  ["a file that is not absolute", { file: "token" }],
])("with %s are no policy", (_name, change) => {
  expect(() => policy(change)).toThrow(/secrets/u);
});
