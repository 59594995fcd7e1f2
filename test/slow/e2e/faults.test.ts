import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { derivation, flake } from "../../demo/scenarios/flakes.ts";
import type { Project } from "../../demo/stage.ts";
import { type CuttingProxy, startCuttingProxy } from "../../e2e/cutting-proxy.ts";
import { rawLog, RunPage } from "../../e2e/run-page.ts";
import { onStack } from "../../e2e/suite.ts";

/** GitHub that answers badly or not at all, and connections that are cut: the verdict comes all the same, once. */

const works = (name: string) => derivation(name, `echo ${name} > $out`);
let proxy: CuttingProxy | undefined;

onStack("faults", { through: async (url) => (proxy = await startCuttingProxy(url)).url }, (at) => {
  beforeAll(() => {
    at.stack.github.setListLag(10);
    at.stack.github.setMergeablePolls(3);
  });
  afterAll(async () => {
    await proxy?.close();
  });
  const once = (project: Project, head: string) => {
    const names = project.checkRuns(head).map(({ name }) => name);
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
  };

  test.concurrent("check runs whose answers are dropped are not made twice, though lists lag", async () => {
    const { github } = at.stack;
    const project = await at.stage.project("dropped", {
      "flake.nix": flake({ a: works("dropped-a") }),
    });
    const created = github.fault({
      match: { method: "POST", path: /\/repos\/acme\/dropped\/check-runs$/u },
      kind: "drop-after-commit",
      times: 2,
    });
    const updated = github.fault({
      match: { method: "PATCH", path: /\/repos\/acme\/dropped\/check-runs\//u },
      kind: "drop-after-commit",
    });
    const broken = derivation("dropped-broken", "exit 3");
    const head = await project.push("main", {
      "flake.nix": flake({ a: works("dropped-a"), broken }),
    });
    const checks = await project.judged(head);
    expect(created.hits).toBe(2);
    expect(updated.hits).toBeGreaterThan(0);
    expect(checks.get("snowcat")).toBe("failure");
    expect(
      project
        .checkRuns(head)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([
      "snowcat",
      "snowcat / build",
      "snowcat / evaluation",
      "snowcat / packages.x86_64-linux.broken",
    ]);
  });

  test.concurrent("rate limits put a verdict off and colour nothing red", async () => {
    const { github } = at.stack;
    const project = await at.stage.project("limited", {
      "flake.nix": flake({ a: works("limited-a") }),
    });
    const path = /\/repos\/acme\/limited\//u;
    const faults = [
      github.fault({
        match: { method: "POST", path: /\/repos\/acme\/limited\/check-runs$/u },
        kind: "403-secondary",
        retryAfter: 2,
      }),
      github.fault({ match: { method: "PATCH", path }, kind: "429", retryAfter: 2 }),
      github.fault({ match: { method: "GET", path }, kind: "403-secondary", retryAfter: 1 }),
    ];
    const head = await project.push("feature", {
      "flake.nix": flake({ a: works("limited-a"), b: works("limited-b") }),
    });
    await project.openPull("feature", "In a busy hour");
    const checks = await project.judged(head);
    expect(faults.map(({ hits }) => hits)).toEqual([1, 1, 1]);
    expect(checks.get("snowcat")).toBe("success");
    once(project, head);
  });

  test.concurrent("reads that fail are asked again, and a merge that is long in coming is waited for", async () => {
    const { github } = at.stack;
    const project = await at.stage.project("failing-reads", {
      "flake.nix": flake({ a: works("reads-a") }),
    });
    const of = (path: RegExp, kind: "500" | "502" | "503" | "drop") =>
      github.fault({ match: { method: "GET", path }, kind });
    const faults = [
      of(/\/repos\/acme\/failing-reads\/pulls\/\d+$/u, "502"),
      of(/\/repos\/acme\/failing-reads\/(git\/)?commits\//u, "500"),
      of(/\/repos\/acme\/failing-reads\/contents\//u, "503"),
      of(/\/repos\/acme\/failing-reads\/collaborators\//u, "drop"),
    ];
    const head = await project.push("feature", {
      "flake.nix": flake({ a: works("reads-a"), b: works("reads-b") }),
    });
    await project.openPull("feature", "On a bad day");
    const checks = await project.judged(head);
    expect(faults.map(({ hits }) => hits)).toEqual([1, 1, 1, 1]);
    expect(checks.get("snowcat")).toBe("success");
    once(project, head);
  });

  test("connections cut over and over lose no byte of a log and no verdict", async () => {
    const { stage, stack } = at;
    if (proxy === undefined) throw new Error("no proxy");
    const lines = 40_000;
    const text = (i: number) =>
      `line ${i} of many, wide enough that all of them are more than two megabytes`;
    const loud = derivation(
      "cut-loud",
      `i=0; while [ $i -lt ${lines} ]; do echo "line $i of many, wide enough that all of them are more than two megabytes"; i=$((i+1)); done; echo > $out`,
    );
    const others = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`other-${i}`, works(`cut-other-${i}-${randomUUID()}`)]),
    );
    const project = await stage.project("cut", { "flake.nix": flake({ a: works("cut-a") }) });
    proxy.start(200_000);
    const head = await project.push("main", { "flake.nix": flake({ loud, ...others }) });
    const checks = await project.judged(head);
    const { cuts } = proxy;
    proxy.stop();
    expect(cuts).toBeGreaterThan(5);
    expect(checks.get("snowcat"), checks.text("snowcat")).toBe("success");
    once(project, head);
    const page = await RunPage.of(project, head);
    expect(page.attributes).toEqual(
      Object.fromEntries(
        ["loud", ...Object.keys(others)].map((name) => [
          `packages.x86_64-linux.${name}`,
          "succeeded",
        ]),
      ),
    );
    const log = page.logOf("packages.x86_64-linux.loud");
    const truth = Array.from({ length: lines }, (_, i) => `${text(i)}\n`).join("");
    expect(truth.length).toBeGreaterThan(2 * 1_024 * 1_024);
    const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");
    expect(sha256(await rawLog(log))).toBe(sha256(truth));
    const last = await (await fetch(`${log}?from=${truth.length - 100}`)).text();
    expect(last).toContain(sha256(truth));
    // Nothing was built twice because somebody could not be reached.
    expect(
      stack.runner.lines.filter(
        (line) => line.includes(`${project.repository.id}-`) && line.includes("attempt 2"),
      ),
    ).toEqual([]);
  });

  test("SIGKILL of workerd while a builder runs: it is built once, and the run ends well", async () => {
    const { stage, stack } = at;
    const project = await stage.project("worker-killed", {
      "flake.nix": flake({ a: works("worker-a") }),
    });
    const slow = derivation(
      "worker-slow",
      "echo words-before-the-kill; sleep 4; echo words-after-the-kill; echo done > $out",
    );
    const head = await project.push("main", { "flake.nix": flake({ slow }) });
    await stage.untilBuilder("words-before-the-kill");
    await stack.worker.kill();
    await stack.worker.restart();
    const checks = await project.judged(head);
    expect(checks.get("snowcat")).toBe("success");
    once(project, head);
    const page = await RunPage.of(project, head);
    expect(await rawLog(page.logOf("packages.x86_64-linux.slow"))).toBe(
      "words-before-the-kill\nwords-after-the-kill\n",
    );
    const builds = (await stack.jobs(project.repository.id)).filter(({ kind }) => kind === "build");
    expect(builds.length).toBe(1);
  });
});
