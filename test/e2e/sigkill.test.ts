import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun } from "../../scripts/test/missing.ts";
import { derivation, flake } from "../demo/scenarios/flakes.ts";
import { Stage } from "../demo/stage.ts";
import { startStack, type Stack } from "../support/stack.ts";

const missing = cannotRun("root", "nix", "bwrap", "busybox", "ip");

describe.skipIf(missing !== undefined)(
  `whatever is killed${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack();
    });
    afterAll(async () => {
      await stack.stop();
    });

    test("SIGKILL of workerd right after a 202: the checks appear after the restart, with no request", async () => {
      const stage = new Stage(stack);
      const project = await stage.project("killed", {
        "flake.nix": flake({ a: derivation("killed-a", "echo a > $out") }),
      });
      const accepted = nextAccepted(stack, "push");
      const head = await project.push("main", {
        "flake.nix": flake({ b: derivation("killed-b", "echo b > $out") }),
      });
      await accepted;
      await stack.worker.kill();
      expect(project.checkRuns(head).filter((run) => run.status === "completed")).toEqual([]);
      await stack.worker.restart();
      const checks = await project.judged(head);
      expect(checks.get("snowcat")).toBe("success");
      expect(stack.github.ledger()).toEqual([]);
    });

    test("SIGKILL of the runner while it builds: the job goes on after its restart, and nothing is told twice", async () => {
      const stage = new Stage(stack);
      const project = await stage.project("agent-killed", {
        "flake.nix": flake({ a: derivation("agent-a", "echo a > $out") }),
      });
      const head = await project.push("main", {
        "flake.nix": flake({
          slow: derivation("agent-slow", "echo agent-slow-begun; sleep 5; echo done > $out"),
        }),
      });
      await stage.untilBuilder("agent-slow-begun");
      await stack.runner.kill();
      await stack.runner.restart();
      const checks = await project.judged(head);
      expect(checks.get("snowcat")).toBe("success");
      const names = project.checkRuns(head).map((run) => run.name);
      expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
      expect(stack.github.ledger()).toEqual([]);
    });
  },
);

/** Resolves when the double's delivery of that event was answered with 202. */
async function nextAccepted(stack: Stack, event: string): Promise<void> {
  const before = stack.github.deliveries().length;
  for (;;) {
    const delivery = stack.github
      .deliveries()
      .slice(before)
      .find((one) => one.event === event);
    if (delivery?.statusCode === 202) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
