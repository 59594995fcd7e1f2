import type { MissingTool } from "./summary.ts";

/** Tools that scripts/with-tools.mjs could not install. */
export function missingTools(environment: NodeJS.ProcessEnv): readonly MissingTool[] {
  const text = environment["SNOWCAT_MISSING"];
  return text ? (JSON.parse(text) as MissingTool[]) : [];
}

/**
 * Why a test that needs these tools (and root, where that is one of them) cannot run here, for
 * `context.skip(reason)`, or as `(skipped: reason)` at the end of a suite's name; undefined when it
 * can. With CI=true `npm test` has refused before a missing tool comes to that.
 */
export function cannotRun(...tools: string[]): string | undefined {
  if (tools.includes("root") && process.getuid?.() !== 0) return "only root sets up isolation";
  const names = missingTools(process.env).map(({ name }) => name);
  const lacking = tools.filter((tool) => names.includes(tool));
  return lacking.length > 0 ? `this machine lacks ${lacking.join(", ")}` : undefined;
}
