import { afterAll, afterEach, beforeAll, describe, expect } from "vitest";
import { cannotRun } from "../../scripts/test/missing.ts";
import { Stage } from "../demo/stage.ts";
import { startStack, type Stack, type StackOptions } from "../support/stack.ts";

export type At = { readonly stack: Stack; readonly stage: Stage };

/**
 * Tests of one file on one stack. A test that fails says what runner and Worker said last; GitHub's double has nothing to
 * complain about at the end.
 */
export function onStack(
  title: string,
  options: StackOptions | (() => Promise<StackOptions>),
  define: (at: At) => void,
): void {
  const missing = cannotRun("nix", "bwrap");
  describe.skipIf(missing !== undefined)(
    `${title}${missing === undefined ? "" : `: ${missing}`}`,
    () => {
      let stack: Stack | undefined;
      const running = () => {
        if (stack === undefined) throw new Error("the stack is not there yet");
        return stack;
      };
      beforeAll(async () => {
        stack = await startStack(typeof options === "function" ? await options() : options);
      });
      afterEach(async ({ task }) => {
        if (task.result?.state !== "fail" || stack === undefined) return;
        console.error(
          [
            `--- ${task.name}: runners`,
            JSON.stringify(await stack.runners().catch(String)),
            `--- ${task.name}: the runner's last lines`,
            ...stack.runner.lines.slice(-60),
            "--- the Worker's",
            ...stack.worker.log.slice(-40),
          ].join("\n"),
        );
      });
      afterAll(async () => {
        const complaints = stack?.github.ledger() ?? [];
        await stack?.stop();
        expect(complaints).toEqual([]);
      });
      define({
        get stack() {
          return running();
        },
        get stage() {
          return new Stage(running());
        },
      });
    },
  );
}
