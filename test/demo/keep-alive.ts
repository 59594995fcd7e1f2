import type { Stack } from "../support/stack.ts";

/** As in `wrangler.toml` (ms). */
const CRON = 120_000;
const LOOK_EVERY = 200;

/**
 * What the platform does in production: Cloudflare brings back an isolate that died and rings cron, systemd starts an
 * agent again (`Restart=always`). Whoever kills one of them in the demo finds it back, with the state it left.
 */
export function keepAlive(stack: Stack, say: (line: string) => void): { stop(): Promise<void> } {
  let stopping = false;
  let rang = Date.now();
  const look = async () => {
    if (!(await stack.worker.alive())) {
      say("workerd is gone: started again");
      await stack.worker.restart();
    }
    if (!stack.runner.alive()) {
      say("the runner is gone: started again");
      await stack.runner.restart();
    }
    if (Date.now() - rang > CRON) {
      rang = Date.now();
      await stack.worker.scheduled();
    }
  };
  const loop = async () => {
    while (!stopping) {
      await look().catch((error: unknown) =>
        say(
          `looking after the parts failed: ${error instanceof Error ? error.message : String(error)}`,
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
  };
  const ended = loop();
  return {
    stop: async () => {
      stopping = true;
      await ended;
    },
  };
}
