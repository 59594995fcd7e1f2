import { chmod, readFile, writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { cannotRun } from "../../../scripts/test/missing.ts";
import { eventually, Stage } from "../../demo/stage.ts";
import {
  builds,
  bytesOf,
  entry,
  flakeOf,
  narHash,
  needing,
  pathsOf,
  RANDOM,
  startTwo,
  type Two,
} from "./two.ts";

const missing = cannotRun("root", "nix", "bwrap", "busybox", "ip");

function withTwo(
  title: string,
  options: Parameters<typeof startTwo>[0],
  define: (at: () => Two) => void,
): void {
  describe.skipIf(missing !== undefined)(
    `${title}${missing ? ` (skipped: ${missing})` : ""}`,
    () => {
      let two: Two | undefined;
      const at = (): Two => {
        if (two === undefined) throw new Error("the runners are not there yet");
        return two;
      };
      beforeAll(async () => {
        two = await startTwo(options);
      });
      afterEach(({ task }) => {
        if (task.result?.state !== "fail" || two === undefined) return;
        const last = [two.one, two.two].map(({ lines }) => lines.slice(-40).join("\n"));
        console.error([task.name, ...last, ...two.stack.worker.log.slice(-40)].join("\n---\n"));
      });
      afterAll(async () => {
        await two?.stop();
      });
      define(at);
    },
  );
}

withTwo("two runners with an exchange", { exchange: true }, (at) => {
  /** A chain a → b whose first part comes out differently each time. */
  async function chain(name: string, features: string[], packages: string[]) {
    const stage = new Stage(at().stack);
    const [a, b] = [`${name}-a`, `${name}-b`];
    const project = await stage.project(name, { "README.md": name });
    const sha = await project.push(
      "main",
      flakeOf(
        {
          a: needing(a, features, RANDOM),
          b: needing(b, ["two"], "read y < ${a}; echo b $y > $out"),
        },
        packages,
      ),
    );
    const checks = await project.judged(sha);
    expect(checks.get("snowcat"), checks.text("snowcat")).toBe("success");
    return { a, b };
  }

  /** What was built where, and that both have the same bytes. */
  async function expectOnce({ a, b }: { a: string; b: string }): Promise<void> {
    const { one, two } = at();
    const [[path = ""], [above = ""]] = await Promise.all([pathsOf(two, a), pathsOf(two, b)]);
    expect((await builds(one, a)) + (await builds(two, a)), "builders of a").toBe(1);
    expect([await builds(one, b), await builds(two, b)], "builders of b").toEqual([0, 1]);
    expect(await bytesOf(two, above)).toBe(`b ${await bytesOf(two, path)}`);
    if ((await pathsOf(one, a)).length > 0) {
      expect(await bytesOf(one, path)).toBe(await bytesOf(two, path));
      expect(await narHash(one, path)).toBe(await narHash(two, path));
    }
  }

  test("a part that only the other can build is built there, once, and its bytes are what is built upon", async () => {
    const { one, two } = at();
    const names = await chain("below", ["one"], ["b"]);
    await expectOnce(names);
    expect([await builds(one, names.a), await builds(two, names.a)]).toEqual([1, 0]);
    const [path = ""] = await pathsOf(one, names.a);
    expect((await entry(at().exchange ?? "", path)).text).toMatch(/^Sig: one-1:/mu);
  });

  test("so is one that is an attribute of its own", async () => {
    const names = await chain("both", ["one"], ["a", "b"]);
    await expectOnce(names);
    expect([await builds(at().one, names.a), await builds(at().two, names.a)]).toEqual([1, 0]);
  });

  test("what either can build is built by one of them", async () => {
    const names = await chain("either", [], ["a", "b"]);
    await expectOnce(names);
    expect(await pathsOf(at().two, names.a)).toHaveLength(1);
  });

  test("a few that take long are dealt out to both", async () => {
    const stage = new Stage(at().stack);
    const project = await stage.project("dealt", { "README.md": "x" });
    const names = Array.from({ length: 12 }, (_, n) => `dealt-${n}`);
    const sha = await project.push(
      "main",
      flakeOf(
        Object.fromEntries(names.map((name) => [name, needing(name, [], "sleep 1; echo > $out")])),
        names,
      ),
    );
    const checks = await project.judged(sha);
    expect(checks.get("snowcat"), checks.text("snowcat")).toBe("success");
    const { one, two } = at();
    const built = await Promise.all(
      names.map(async (name) => [await builds(one, name), await builds(two, name)] as const),
    );
    expect(built.map(([a, b]) => a + b)).toEqual(names.map(() => 1));
    for (const runner of [0, 1] as const)
      expect(built.filter((counts) => counts[runner] === 1).length).toBeGreaterThanOrEqual(2);
  });

  test("what failed at one is not tried by the other", async () => {
    const stage = new Stage(at().stack);
    const project = await stage.project("failing", { "README.md": "x" });
    const goals = Object.fromEntries(
      ["c", "d", "e", "f"].map((name, index) => [
        name,
        needing(`failing-${name}`, index % 2 === 0 ? ["two"] : [], "read x < ${a}; echo > $out"),
      ]),
    );
    const sha = await project.push(
      "main",
      flakeOf({ a: needing("failing-a", [], "echo sorry; exit 3"), ...goals }, Object.keys(goals)),
    );
    const checks = await project.judged(sha);
    expect(checks.get("snowcat")).toBe("failure");
    expect(checks.text("snowcat / build")).toContain("failing-a");
    const { one, two } = at();
    expect((await builds(one, "failing-a")) + (await builds(two, "failing-a"))).toBe(1);
  });

  test("what was tampered with in the exchange is refused: contents and signature", async () => {
    const stage = new Stage(at().stack);
    const tampered = await Promise.all(
      ["contents", "signature"].map(async (what) => {
        const name = `tampered-${what}`;
        const project = await stage.project(name, { "README.md": what });
        const definitions = {
          a: needing(`${name}-a`, ["one"], RANDOM),
          b: needing(`${name}-b`, ["two"], "read y < ${a}; echo b $y > $out"),
        };
        const first = await project.judged(await project.push("main", flakeOf(definitions, ["a"])));
        expect(first.get("snowcat")).toBe("success");
        const [path = ""] = await pathsOf(at().one, `${name}-a`);
        const { nar, text, save } = await entry(at().exchange ?? "", path);
        if (what === "contents") {
          const bytes = await readFile(nar);
          bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
          await writeFile(nar, bytes);
        } else await save(text.replace(/^Sig: (.*):.*$/mu, `Sig: $1:${"A".repeat(86)}==`));
        return { name, project, sha: await project.push("main", flakeOf(definitions, ["a", "b"])) };
      }),
    );
    for (const { name, project, sha } of tampered) {
      const checks = await project.judged(sha);
      expect(checks.get("snowcat"), checks.text("snowcat")).toBe("action_required");
      expect(checks.text("snowcat / build")).toContain("exchange");
      expect(await builds(at().two, `${name}-b`)).toBe(0);
      expect(await pathsOf(at().two, `${name}-a`)).toEqual([]);
    }
  });

  test("an exchange that cannot be written is nobody's failure but ours, after a second try", async () => {
    const { exchange } = at();
    if (exchange === null) throw new Error("unreachable");
    const stage = new Stage(at().stack);
    const project = await stage.project("unreachable", { "README.md": "x" });
    await chmod(exchange, 0o500);
    try {
      const sha = await project.push(
        "main",
        flakeOf({ a: needing("unreachable-a", [], RANDOM) }, ["a"]),
      );
      const checks = await project.judged(sha);
      expect(checks.get("snowcat"), checks.text("snowcat")).toBe("action_required");
      expect(checks.text("snowcat / build")).toContain("exchange");
      expect(await stage.jobs(project, "build")).toBeGreaterThan(1);
    } finally {
      await chmod(exchange, 0o777);
    }
  });
});

withTwo("two runners of one slot each", { exchange: true, slots: 1 }, (at) => {
  test("one that dies with what the other waits for does not keep it from that", async () => {
    const { one, two } = at();
    const stage = new Stage(at().stack);
    const project = await stage.project("dying", { "README.md": "x" });
    const sha = await project.push(
      "main",
      flakeOf(
        {
          a: needing("dying-a", [], "echo dying-marker; sleep 8; echo a > $out"),
          // Another set of features is another job, and a runner has room for one.
          b: needing("dying-b", ["both"], "read y < ${a}; echo b $y > $out"),
        },
        ["a", "b"],
      ),
    );
    await stage.untilBuilder("dying-marker");
    await eventually(
      async () => (await stage.jobs(project, "build")) === 2,
      "both have a job of the run",
    );
    const [holder, other] = (await builds(one, "dying-a")) > 0 ? [one, two] : [two, one];
    await holder.kill();
    const checks = await project.judged(sha);
    expect(checks.get("snowcat"), checks.text("snowcat")).toBe("success");
    expect([await builds(other, "dying-a"), await builds(other, "dying-b")]).toEqual([1, 1]);
  });
});

withTwo("two runners without an exchange", { exchange: false }, (at) => {
  test("what needs a part of the other has a verdict that says so", async () => {
    const stage = new Stage(at().stack);
    const project = await stage.project("apart", { "README.md": "x" });
    const sha = await project.push(
      "main",
      flakeOf(
        {
          a: needing("apart-a", ["one"], RANDOM),
          b: needing("apart-b", ["two"], "read y < ${a}; echo b $y > $out"),
          c: needing("apart-c", ["three"], RANDOM),
          d: needing("apart-d", ["two"], "read y < ${c}; echo d $y > $out"),
        },
        ["b", "d"],
      ),
    );
    const checks = await project.judged(sha);
    expect(checks.get("snowcat")).toBe("failure");
    const text = checks.text("snowcat / build");
    expect(text).toContain("needs `apart-a.drv`, which only another runner can build");
    expect(text).toContain("no-runner");
  });

  test("building starts with the first attributes, while the evaluation goes on", async () => {
    const stage = new Stage(at().stack);
    const project = await stage.project("early", { "README.md": "x" });
    // Some seconds of evaluation for the second kind of outputs.
    const slow = `builtins.seq (builtins.foldl' (a: b: a + b) 0 (builtins.genList (n: n) 12000000))`;
    const sha = await project.push("main", {
      "flake.nix": `{ outputs = _: let first = ${needing("early-first", [], RANDOM)}; last = ${needing("early-last", [], RANDOM)}; in {
        checks.x86_64-linux = { inherit first; };
        packages.x86_64-linux = { last = ${slow} last; };
      }; }`,
    });
    const checks = await project.judged(sha);
    expect(checks.get("snowcat"), checks.text("snowcat")).toBe("success");
    const [job = ""] = (await at().stack.jobs(project.repository.id)).flatMap((one) =>
      one.kind === "evaluate" ? [one.job] : [],
    );
    const said =
      [at().one, at().two]
        .map(({ lines }) => lines.join("\n"))
        .find((text) => text.includes(job)) ?? "";
    const ends = said.indexOf(`${job} attempt 1: succeeded`);
    const builds = said.indexOf(`${job.replace(/\.1$/u, ".2")} attempt 1: build`);
    expect(
      [ends, builds].every((at) => at > 0),
      said,
    ).toBe(true);
    expect(builds, said).toBeLessThan(ends);
  });
});
