import { QUICK_CONTROLS, tryHostileTrees } from "./hostile.ts";

tryHostileTrees((place) => place < QUICK_CONTROLS);
