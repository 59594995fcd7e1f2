import { eventually, type Stage } from "../demo/stage.ts";
import { derivation, flake } from "../demo/scenarios/flakes.ts";
import { expect } from "../demo/scenario.ts";

/** What has just happened when the runner is killed. */
export const INSTANTS = [
  "the push",
  "the evaluation was taken",
  "the evaluation has ended",
  "the build was taken",
  "the builder runs",
  "the build has ended",
] as const;

export type Kill = {
  /** Also names the project. */
  seed: number;
  instant: (typeof INSTANTS)[number];
  /** Later than the instant (ms): at most what the step takes. */
  delay: number;
};

/** The same for the same seed (mulberry32's one step). */
export function killOf(seed: number): Kill {
  let x = Math.imul(seed + 0x6d2b79f5, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), x | 1);
  x = (x ^ (x >>> 14)) >>> 0;
  return {
    seed,
    instant: INSTANTS[x % INSTANTS.length] ?? INSTANTS[0],
    delay: Math.floor(x / INSTANTS.length) % 400,
  };
}

/** Pushes, kills the runner's supervisor there and starts it again. The run succeeds, and nothing is told twice. */
export async function killAt(stage: Stage, { seed, instant, delay }: Kill): Promise<void> {
  const { runner } = stage.stack;
  const project = await stage.project(`killed-${seed}`, {});
  const said = runner.lines.length;
  // Builders are looked for on the whole machine, where somebody else may play the same seed.
  const marker = `killed-${process.pid}-${seed}-begun`;
  const head = await project.push("main", {
    "flake.nix": flake({
      slow: derivation(`killed-${seed}`, `echo ${marker}; sleep 1; echo done > $out`),
    }),
  });
  const line = (pattern: RegExp) =>
    eventually(
      () => runner.lines.slice(said).some((one) => pattern.test(one)),
      `${instant} (${pattern.source})`,
      () => stage.state(),
    );
  switch (instant) {
    case "the push":
      break;
    case "the evaluation was taken":
      await line(/attempt 1: evaluate for/u);
      break;
    case "the evaluation has ended":
      await line(/\.1 attempt 1: succeeded/u);
      break;
    case "the build was taken":
      await line(/attempt 1: build for/u);
      break;
    case "the builder runs":
      await stage.untilBuilder(marker);
      break;
    case "the build has ended":
      await line(/\.2 attempt 1: succeeded/u);
      break;
  }
  await new Promise((resolve) => setTimeout(resolve, delay));
  await runner.kill();
  await runner.restart();
  const checks = await project.judged(head);
  const names = project.checkRuns(head).map(({ name }) => name);
  const found = { seed, instant, delay, checks: checks.seen(), names };
  expect(checks.get("snowcat") === "success", "the run succeeds after the kill", found);
  expect(new Set(names).size === names.length, "each check is told once", found);
  await stage.expectNoBuilder(marker);
}
