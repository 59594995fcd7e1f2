import { QUICK_TREES, tryGreedyTrees } from "./greedy.ts";

tryGreedyTrees((name) => QUICK_TREES.has(name));
