import { stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Daemon, proxy, agent and jobs are other users than root: they must get through every folder above the
 * state directory.
 *
 * @param directory absolute path of an existing folder
 * @throws naming the folder that is closed, and what to do
 */
export async function requirePassable(directory: string): Promise<void> {
  for (let above = dirname(directory); ; above = dirname(above)) {
    const { mode } = await stat(above);
    if ((mode & 0o001) === 0) {
      throw new Error(
        `only its owner gets into ${above} (mode ${(mode & 0o777).toString(8)}), so the runner's users cannot reach ${directory}: choose a state directory elsewhere, such as below /var/lib, or chmod o+x ${above}`,
      );
    }
    if (above === dirname(above)) return;
  }
}
