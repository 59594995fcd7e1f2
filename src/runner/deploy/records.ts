import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { HostKey, LocalDeploy } from "../../protocol/machine.ts";

const Kept = z.strictObject({ hostKey: HostKey, deploy: LocalDeploy });

/**
 * Local deploys that the control plane has not been told of: one file each, beside the agent's other state. A command
 * writes them, the agent takes them away when what tells them is durable.
 */
export class LocalRecords {
  readonly #directory: string;

  /** @param directory the agent's. */
  constructor(directory: string) {
    this.#directory = join(directory, "local-deploys");
  }

  async keep(hostKey: HostKey, deploy: LocalDeploy): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const path = join(this.#directory, `${deploy.at}-${deploy.counter}.json`);
    await writeFile(`${path}.new`, `${JSON.stringify({ hostKey, deploy })}\n`);
    await rename(`${path}.new`, path);
  }

  /** Of one machine, oldest first, with what forgets them. */
  async of(
    hostKey: HostKey,
    most: number,
  ): Promise<{ deploys: LocalDeploy[]; told: () => Promise<void> }> {
    const found: { path: string; deploy: LocalDeploy }[] = [];
    for (const name of (await this.#names()).toSorted()) {
      const path = join(this.#directory, name);
      const kept = Kept.parse(JSON.parse(await readFile(path, "utf8")));
      if (kept.hostKey === hostKey) found.push({ path, deploy: kept.deploy });
    }
    const taken = found.toSorted((a, b) => a.deploy.at - b.deploy.at).slice(0, most);
    return {
      deploys: taken.map(({ deploy }) => deploy),
      told: async () => {
        for (const { path } of taken) await rm(path, { force: true });
      },
    };
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.#directory)).filter((name) => name.endsWith(".json"));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  }
}
