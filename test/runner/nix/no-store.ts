import type { Workspace } from "../../../src/runner/nix/launch.ts";

/** A store that nobody is to ask. */
export const NO_STORE: Workspace["store"] = {
  ask: async () => {
    throw new Error("the store was asked, where there is nothing to ask it");
  },
};
