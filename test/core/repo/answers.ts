import type { Answer } from "../../../src/core/repo/answered.ts";
import { A, ABOUT, eve, pr } from "./events.ts";
import type { Model } from "./model.ts";

/** What GitHub says; `head` is where it has the pull request. */
export const answer = (over: Partial<Omit<Answer, "pull">> & { head?: string } = {}): Answer => {
  const { head = A, ...rest } = over;
  return {
    role: "write",
    teams: [],
    policy: { writers: [], commands: {} },
    pull: { head, state: "open", about: ABOUT },
    runUrl: (n) => `https://snowcat.example/runs/1-${n}`,
    ...rest,
  };
};
export const fork = (head = A) => pr("opened", { fork: true, head }, null, eve);
export const commands = (model: Model) =>
  [...model.commands.values()].map(({ text, state, outcome }) => ({
    text,
    state,
    became: outcome?.code ?? outcome?.kind ?? null,
  }));
