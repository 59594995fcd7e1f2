import { dead } from "./dead.ts";
import { format } from "./format.ts";
import type { Gate } from "./gate.ts";
import { generated } from "./generated.ts";
import { imports } from "./imports.ts";
import { links } from "./links.ts";
import { lint } from "./lint.ts";
import { lock } from "./lock.ts";
import { size } from "./size.ts";
import { tests } from "./tests.ts";
import { text } from "./text.ts";
import { types } from "./types.ts";

/** Slow ones first, so that the quick ones fill the gaps. */
export const gates: readonly Gate[] = [
  dead,
  types,
  lint,
  format,
  imports,
  generated,
  size,
  links,
  lock,
  tests,
  text,
];
