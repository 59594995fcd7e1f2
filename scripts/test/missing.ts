import type { MissingTool } from "./summary.ts";

/** Tools that scripts/with-tools.mjs could not install. */
export function missingTools(environment: NodeJS.ProcessEnv): readonly MissingTool[] {
  const text = environment["SNOWCAT_MISSING"];
  return text ? (JSON.parse(text) as MissingTool[]) : [];
}

/**
 * Why a test that needs these tools cannot run here, for `context.skip(reason)`; undefined when it
 * can. With CI=true `npm test` has refused before it comes to that.
 */
export function cannotRun(...tools: string[]): string | undefined {
  const names = missingTools(process.env).map(({ name }) => name);
  const lacking = tools.filter((tool) => names.includes(tool));
  return lacking.length > 0 ? `this machine lacks ${lacking.join(", ")}` : undefined;
}
