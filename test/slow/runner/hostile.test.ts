import { QUICK_CONTROLS, tryHostileTrees } from "../../runner/examples/hostile.ts";

tryHostileTrees((place) => place >= QUICK_CONTROLS);
