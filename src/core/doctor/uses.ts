import type { Configuration } from "../config/schema.ts";

/** A part of the configuration, by its keys. */
export type Path = readonly (string | number)[];
export type Use = { path: Path; argv: readonly string[] };

/** Every command that the configuration declares, with its place. */
export function commandsOf({ tests = {}, push = {} }: Configuration): Use[] {
  const of = (key: string, all: Record<string, { run: readonly string[] }>) =>
    Object.entries(all).map(([name, { run }]) => ({ path: [key, name, "run"], argv: run }));
  const steps = Object.entries(tests).flatMap(([name, test]) =>
    "steps" in test
      ? test.steps.map((argv, step) => ({ path: ["tests", name, "steps", step], argv }))
      : [],
  );
  const runs = Object.fromEntries(
    Object.entries(tests).flatMap(([name, test]) => ("run" in test ? [[name, test]] : [])),
  );
  return [...of("tests", runs), ...steps, ...of("push", push)];
}
