import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MoreConfiguration } from "./runner.ts";

const run = promisify(execFile);

/** A folder as the exchange of several runners of this host. */
export type ExchangeFolder = {
  readonly directory: string;
  /** Of the runner with that number. */
  configuration(index: number): NonNullable<MoreConfiguration["exchange"]>;
  remove(): Promise<void>;
};

/** @param keyNames of the runners' own keys, one for each; all of them trust all. */
export async function exchangeFolder(keyNames: readonly string[]): Promise<ExchangeFolder> {
  // Where an agent's user may go, and outside of /tmp, which the sandbox replaces.
  const folder = await mkdtemp("/var/tmp/snowcat-exchange-");
  await chmod(folder, 0o755);
  const directory = join(folder, "store");
  // Each agent has a user of its own, and Nix makes these folders for its own user alone.
  const folders = ["", "nar", "log", "realisations"].map((name) => join(directory, name));
  await run("mkdir", ["-m", "0777", ...folders]);
  const keys = await Promise.all(
    keyNames.map(async (name) => {
      const [secret, open] = [join(folder, `${name}.secret`), join(folder, `${name}.public`)];
      await run("nix-store", ["--generate-binary-cache-key", name, secret, open]);
      return { secret, open: (await readFile(open, "utf8")).trim() };
    }),
  );
  return {
    directory,
    configuration: (index) => ({
      url: `file://${directory}`,
      publicKeys: keys.map(({ open }) => open),
      secretKeyFile: keys[index]?.secret ?? "",
    }),
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
}
