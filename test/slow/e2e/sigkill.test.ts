import { expect, test } from "vitest";
import { derivation, flake } from "../../demo/scenarios/flakes.ts";
import type { Stack } from "../../support/stack.ts";
import { killAt } from "../../e2e/kills.ts";
import { onStack } from "../../e2e/suite.ts";

/** ms */
const ACCEPTED_WITHIN = 60_000;

onStack("whatever is killed", {}, (at) => {
  test("SIGKILL of workerd right after a 202: the checks appear after the restart, with no request", async () => {
    const { stack, stage } = at;
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
    await killAt(at.stage, { seed: -1, instant: "the builder runs", delay: 0 });
    expect(at.stack.github.ledger()).toEqual([]);
  });
});

/** Resolves as soon as the double's delivery of that event was answered with 202. */
async function nextAccepted(stack: Stack, event: string): Promise<void> {
  const before = stack.github.deliveries().length;
  const until = Date.now() + ACCEPTED_WITHIN;
  for (;;) {
    const deliveries = stack.github.deliveries().slice(before);
    if (deliveries.find((one) => one.event === event)?.statusCode === 202) return;
    if (Date.now() > until)
      throw new Error(`no ${event} was accepted; deliveries: ${JSON.stringify(deliveries)}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
