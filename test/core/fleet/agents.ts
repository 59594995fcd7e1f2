import type { FleetRunner } from "../../../src/core/fleet/index.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";

/** A runner's program as the simulation plays it: what it holds, and what is on its way to and from it. */
export type Agent = {
  runner: FleetRunner;
  connected: boolean;
  holds: Map<string, { attempt: number; state: "running" | "ended"; verdict: Verdict | null }>;
  inbox: (() => void)[];
  outbox: (() => void)[];
};

/** Three of two slots each; only the first has kvm. */
export function newAgents(): Agent[] {
  return [0, 1, 2].map((index) => ({
    runner: {
      runner: `r${index}`,
      class: "c",
      pool: "trusted",
      repositories: null,
      systems: ["x86_64-linux"],
      features: index === 0 ? ["kvm"] : [],
      exchange: null,
      targets: [],
      online: true,
      draining: false,
      leaseUntil: 0,
      slots: 2,
      used: 0,
    },
    connected: false,
    holds: new Map(),
    inbox: [],
    outbox: [],
  }));
}
