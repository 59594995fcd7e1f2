import { untested } from "./table.ts";

// Each row once and each way often enough; every row by every way is played by the slow run.
untested(false);
