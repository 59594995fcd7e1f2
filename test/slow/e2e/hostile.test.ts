import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { derivation, flake } from "../../demo/scenarios/flakes.ts";
import type { Files } from "../../github/index.ts";
import { attacks, type Attack } from "../../hostile/index.ts";
import { awkwardAttributes } from "../../hostile/names.ts";
import { plant, type Planted } from "../../runner/examples/planted.ts";
import { RunPage, shown } from "../../e2e/run-page.ts";
import { onStack } from "../../e2e/suite.ts";

/**
 * Trees of somebody with write, from the push to the check: one or two for each way in. All of them, on the isolation
 * alone, are in test/runner/examples/isolated.test.ts.
 */

const SYSTEM = "x86_64-linux";
const all = new Map(attacks(SYSTEM).map((attack) => [attack.name, attack]));
const GOOD = "succeeded";

const READING = [
  "file-reads-key",
  "file-reads-proc-root",
  "file-reads-store-path",
  "flake-reads-key",
  "input-git-file",
  "link-to-file",
  "link-is-entry",
  "sees-docker-socket",
  "reads-environment",
  "builder-reads-key",
  "builder-reads-proc",
  "builder-without-chroot",
  "ifd-in-flake",
  "ifd-reads-key",
  "fixed-output-file-url",
  "known-hash-of-another-account",
  "evaluation-fetchurl-loopback",
  "fixed-output-loopback",
  "fixed-output-link-local",
  "builder-wget-loopback",
  "input-tarball-loopback",
  "nixconfig-sandbox",
  "nixconfig-sandbox-paths",
  "nixconfig-hook-in-tree",
];
const BROKEN = [
  "does-not-parse",
  "not-utf8",
  "outputs-throw",
  "missing-input",
  "lock-is-not-json",
  "attribute-throws",
  "attribute-recurses",
  "attribute-invalid-name",
  "file-throws",
  "file-missing",
  "log-forges-failure",
  "log-forges-success",
  "trace-forges-log",
];

onStack("hostile trees of a writer", { slots: 2 }, (at) => {
  let planted: Planted;
  let host = "";
  beforeAll(async () => {
    const { stateDirectory } = at.stack.runner;
    host = await mkdtemp("/var/tmp/snowcat-canaries-");
    await chmod(host, 0o755);
    planted = await plant(host, SYSTEM, async (file) => {
      const store = await promisify(execFile)("nix-store", [
        "--store",
        `local?root=${join(host, "elsewhere")}`,
        "--add-fixed",
        "sha256",
        file,
      ]);
      return store.stdout.trim();
    });
    await chmod(planted.canaries.dropbox, 0o777);
    // Beside the agent's own key, and as readable.
    const key = join(stateDirectory, "agent/canary");
    const { uid, gid } = await stat(join(stateDirectory, "agent/key.pem"));
    await writeFile(key, planted.canaries.secret, { mode: 0o600 });
    await chown(key, uid, gid);
    planted = { ...planted, canaries: { ...planted.canaries, key } };
  });
  afterAll(async () => {
    await planted[Symbol.asyncDispose]();
    await rm(host, { recursive: true, force: true });
  });

  async function clean(texts: string[]): Promise<void> {
    for (const text of texts) {
      expect(text).not.toContain(planted.canaries.secret);
      expect(text).not.toContain(planted.canaries.visible);
    }
    expect(await planted.traces()).toEqual([]);
  }

  test.for([
    {
      title: "they see nothing, reach nothing, and end as they have to",
      name: "attacks",
      chosen: READING,
    },
    {
      title: "what is broken ends in a verdict that says why, and takes nothing with it",
      name: "broken",
      chosen: BROKEN,
    },
  ])("$name: $title", async ({ name, chosen }) => {
    const { stage } = at;
    const trees = chosen.map((one) =>
      placed(named(one), { ...planted.canaries, nonce: randomBytes(8).toString("hex") }),
    );
    const project = await stage.project(`hostile-${name}`, { "README.md": "nothing yet\n" });
    const head = await stage.github.commit(project.repository, {
      as: project.account,
      files: {
        ...Object.assign({}, ...trees.map(({ files }) => files)),
        "fine/flake.nix": flake({ fine: derivation(`fine-${name}`, "echo fine > $out") }),
        ".github/snowcat.yml": `version: 1\nevaluate:\n  - flake: fine\n${trees.map(({ entry }) => entry).join("")}`,
      },
    });
    const checks = await project.judged(head);
    expect(checks.text("snowcat / evaluation")).not.toMatch(/infrastructure/iu);
    const page = await RunPage.of(project, head);
    const logs = await page.logText();
    await clean([
      shown(project, head),
      page.html,
      logs,
      at.stack.runner.lines.join("\n"),
      at.stack.worker.log.join("\n"),
    ]);
    expect(checks.get("snowcat")).toBe("failure");
    const { attributes } = page;
    // A sandbox in which nothing works hides everything.
    expect(attributes[`packages.${SYSTEM}.fine`]).toBe(GOOD);
    for (const { attack, expected } of trees) {
      const { expect: end } = attack;
      if (end.kind === "contained") continue;
      if (end.kind === "attributes")
        for (const [attribute, verdicts] of Object.entries(expected))
          expect(verdicts, `${attack.name}: ${attribute}`).toContain(
            attributes[attribute]?.replace(/ at .*$/u, ""),
          );
      else
        expect(
          Object.entries(attributes).filter(
            ([attribute, verdict]) => attribute.endsWith(attack.name) && verdict === GOOD,
          ),
          attack.name,
        ).toEqual([]);
      if (end.kind === "evaluation-fails" && end.says) expect(logs, attack.name).toMatch(end.says);
    }
  });

  test.for(["submodule-of-host", "git-hooks"])("%s, which has to lie at the root", async (one) => {
    const attack = named(one);
    const { stage } = at;
    const project = await stage.project(`hostile-${one}`, { "README.md": "nothing yet\n" });
    const entry =
      attack.entry.kind === "flake"
        ? "flake: ."
        : `file: ${attack.entry.file}\n    attributes: [${attack.entry.attributes.join(", ")}]`;
    const files = filesOf(
      attack.tree({ ...planted.canaries, nonce: randomBytes(8).toString("hex") }),
      "",
    );
    const head = await stage.github.commit(project.repository, {
      as: project.account,
      files: { ...files, ".github/snowcat.yml": `version: 1\nevaluate:\n  - ${entry}\n` },
    });
    const checks = await project.judged(head);
    const page = await RunPage.of(project, head);
    await clean([shown(project, head), page.html, await page.logText()]);
    expect(checks.get("snowcat")).toBe(attack.expect.kind === "contained" ? "success" : "failure");
  });

  test("names that are something else to a path, a page or a terminal", async () => {
    const { stage } = at;
    const before = await listing(at.stack.runner.stateDirectory);
    const project = await stage.project("hostile-names", { "README.md": "nothing yet\n" });
    const tree = named("awkward-names-that-fail").tree({
      ...planted.canaries,
      nonce: randomBytes(8).toString("hex"),
    });
    const head = await stage.github.commit(project.repository, {
      as: project.account,
      files: filesOf(tree, ""),
    });
    const checks = await project.judged(head);
    expect(checks.get("snowcat")).toBe("failure");
    const page = await RunPage.of(project, head);
    expect(Object.values(page.attributes)).toEqual(awkwardAttributes(SYSTEM).map(() => "failed"));
    expect(page.html).not.toContain("<script>alert");
    expect(page.html).not.toContain("\u001b");
    for (const run of project.checkRuns(head))
      expect(run.name).not.toMatch(/[\u0000-\u001f\u202e]/u);
    expect(
      (await listing(at.stack.runner.stateDirectory)).filter(
        (path) => !before.includes(path) && !OF_A_JOB.test(path),
      ),
    ).toEqual([]);
    expect((await readdir(tmpdir())).filter((file) => /passwd|owned/u.test(file))).toEqual([]);
  });

  test("an evaluation without end, one of 100 MB of words, and one that eats memory end by their limits", async () => {
    const { stage } = at;
    const limits = "limits:\n  evaluation_seconds: 15\n  evaluation_bytes: 1073741824\n";
    const greedy = [
      "evaluation-never-ends",
      "evaluation-prints-100-megabytes",
      "evaluation-takes-memory",
      "error-of-100-megabytes",
    ];
    const ended = await Promise.all(
      greedy.map(async (one) => {
        const project = await stage.project(`hostile-${one}`, { "README.md": "nothing yet\n" });
        const tree = named(one).tree({
          ...planted.canaries,
          nonce: randomBytes(8).toString("hex"),
        });
        const head = await stage.github.commit(project.repository, {
          as: project.account,
          files: { ...filesOf(tree, ""), ".github/snowcat.yml": `version: 1\n${limits}` },
        });
        const checks = await project.judged(head);
        return [
          one,
          { conclusion: checks.get("snowcat"), says: checks.text("snowcat / evaluation") },
        ] as const;
      }),
    );
    const by = Object.fromEntries(ended);
    expect(by["evaluation-never-ends"]?.conclusion).not.toBe("success");
    expect(by["evaluation-never-ends"]?.says).toMatch(/15 s|timed out|time/iu);
    expect(by["evaluation-takes-memory"]?.conclusion).not.toBe("success");
    expect(by["error-of-100-megabytes"]?.conclusion).toBe("failure");
    expect(by["evaluation-prints-100-megabytes"]?.conclusion).toMatch(/success|failure|timed_out/u);
  });
});

/** What the spools keep, and what is kept of a repository's source for its next job. */
const OF_A_JOB =
  /^(?:agent\/control\/\d+\.frames$|agent\/attempts\/[0-9.-]+|jobs\/[0-9a-f]+(?:$|\/(?:git-\d+|tree-\d+\/source\/(?:README\.md|flake\.nix)$|tree-\d+(?:\/source)?$)))/u;

function named(name: string): Attack {
  const attack = all.get(name);
  if (attack === undefined) throw new Error(`no attack is called ${name}`);
  return attack;
}

/** An attack in a folder of its own, its attributes named after it. */
function placed(attack: Attack, canaries: Parameters<Attack["tree"]>[0]) {
  const { name, entry } = attack;
  const files = filesOf(attack.tree(canaries), `${name}/`);
  for (const [path, content] of Object.entries(files)) {
    if (typeof content !== "string") continue;
    files[path] = content
      .replace(new RegExp(`(packages\\.${SYSTEM}\\.)loot =`, "gu"), `$1${name} =`)
      .replace(
        /^( {2}| {6})(loot|bad|fine) =/gmu,
        (_, indent: string, attribute: string) => `${indent}${rename(name, attribute)} =`,
      );
  }
  const expected =
    attack.expect.kind === "attributes"
      ? Object.fromEntries(
          Object.entries(attack.expect.verdicts).map(([path, kinds]) => [
            path.replace(/[a-z]+$/u, (last) => rename(name, last)),
            kinds.map((kind) => kind.replaceAll("-", " ")),
          ]),
        )
      : {};
  return {
    attack,
    files,
    expected,
    entry:
      entry.kind === "flake"
        ? `  - flake: ${name}\n`
        : `  - file: ${name}/${entry.file}\n    attributes: [${name}]\n`,
  };
}

const rename = (name: string, attribute: string) =>
  attribute === "loot" ? name : `${name}-${attribute}`;

function filesOf(tree: ReturnType<Attack["tree"]>, folder: string): Files {
  const files: Files = {};
  for (const [path, entry] of Object.entries(tree)) {
    const at = `${folder}${path}`;
    if (typeof entry === "string") files[at] = entry;
    else if (entry instanceof Uint8Array) files[at] = Buffer.from(entry);
    else if ("link" in entry) files[at] = { mode: "120000", content: entry.link };
    else if ("gitlink" in entry) files[at] = { mode: "160000", content: entry.gitlink };
    else files[at] = { mode: "100755", content: entry.executable };
  }
  return files;
}

/** Files of the runner beside its store. */
async function listing(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(directory)) {
    if (name === "store") continue;
    found.push(name);
    const below = await readdir(join(directory, name), { recursive: true }).catch(() => []);
    found.push(...below.map((path) => `${name}/${path}`));
  }
  return found.toSorted();
}
