import type { Script } from "./model.ts";

/** Nothing goes wrong. */
export const quiet: Script = {
  cuts: new Map(),
  down: { from: 0, seconds: 0 },
  deaf: false,
  activation: { seconds: 5, exit: 0 },
  fails: [],
  failed: [],
  healthy: true,
  bootable: true,
  powerCut: null,
  refuses: null,
};
