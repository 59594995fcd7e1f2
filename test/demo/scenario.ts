import type { Stage } from "./stage.ts";

/** A check run as the demo's readers see it. */
export type SeenCheck = { name: string; conclusion: string | null; title?: string };

/** One story, told on real parts. It throws where something is not as it should be, and answers the checks it ended with. */
export type Scenario = {
  name: string;
  group: "main" | "commands" | "deploy";
  /** Takes long: played by `npm run test:slow`. */
  slow?: true;
  play(stage: Stage): Promise<SeenCheck[]>;
};

export type Outcome = {
  name: string;
  ok: boolean;
  seconds: number;
  checks: SeenCheck[];
  error?: string;
};

/** Plays one scenario; a failure is data. */
export async function play(scenario: Scenario, stage: Stage): Promise<Outcome> {
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 10) / 100;
  try {
    const checks = await scenario.play(stage);
    return { name: scenario.name, ok: true, seconds: seconds(), checks };
  } catch (error) {
    return {
      name: scenario.name,
      ok: false,
      seconds: seconds(),
      checks: [],
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}

/** States what must hold, in words that name what was found instead. */
export function expect(holds: boolean, what: string, found?: unknown): asserts holds {
  if (!holds)
    throw new Error(found === undefined ? what : `${what}; found ${JSON.stringify(found)}`);
}
