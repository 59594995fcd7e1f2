import type { BuildOptions } from "./session.ts";
import { Session } from "./session.ts";

export type { BuildOptions } from "./session.ts";

/** Builds the goals. Their results go to the sink as they become known; each goal gets exactly one. */
export async function build(options: BuildOptions): Promise<void> {
  const session = new Session(options);
  await session.prepare();
  await session.run();
}
