/**
 * The agent as a program of its own, without Nix: `node child.ts <options as JSON>`. Its job counts: an attribute and a
 * line of log for each number, until it has said `count` of them. SIGTERM drains, a second one cancels.
 */
import { createPrivateKey } from "node:crypto";
import { Agent } from "../../../src/runner/agent/agent.ts";
import type { Identity } from "../../../src/runner/enrolment/identity.ts";
import { plainIsolation } from "../../../src/runner/isolation/isolation.ts";
import { quickClock } from "./world.ts";

export type ChildOptions = {
  url: string;
  directory: string;
  /** PKCS#8 PEM. */
  key: string;
  identity: Identity;
  /** How far the job counts; null goes on until it is told to stop. */
  count: number | null;
};

const options = JSON.parse(process.argv[2] ?? "") as ChildOptions;
const agent = await Agent.start({
  ...options,
  key: createPrivateKey(options.key),
  version: "child",
  slots: 1,
  systems: ["x86_64-linux"],
  features: [],
  minimumFreeBytes: 0,
  secrets: [],
  isolation: plainIsolation({}),
  clock: quickClock,
  say: (line) => process.stderr.write(`${line}\n`),
  async runJob(_, { sink, signal }) {
    for (let at = 0; at !== options.count && !signal.aborted; at += 1) {
      const name = `a${at}`;
      await sink.attributes([
        {
          selection: 0,
          path: [name],
          system: null,
          result: { kind: "error", message: "counted", position: null },
          seconds: null,
        },
      ]);
      await sink.log("job").write(new TextEncoder().encode(`${at}\n`));
    }
    return { kind: "succeeded", reused: false };
  },
});
let signals = 0;
process.on("SIGTERM", () => {
  signals += 1;
  if (signals > 1) return agent.cancelAll("stopped");
  void agent.drain().then(() => agent.stop());
});
