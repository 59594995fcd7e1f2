import { execFile } from "node:child_process";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  startIsolation,
  type RawIsolationConfiguration,
} from "../../../src/runner/isolation/index.ts";
import { readFacts } from "../../../src/runner/nix/version.ts";
import { workspaceOf } from "../../../src/runner/nix/workspace.ts";
import { isolationWith } from "../../support/nix-versions.ts";
import { scratch } from "../isolation/support.ts";
import type { NixForTest } from "../nix/support.ts";

const execute = promisify(execFile);
/** Enough for a store, and soon used up by whoever makes files without end. */
const INODES = 60_000;
export const MEBIBYTE = 1_024 ** 2;

/** A runner that has a disk of its own for as long as the test lasts: a build that fills it fills nobody else's. */
export async function limitedRunner(
  uidBase: number,
  diskBytes: number,
  builds: RawIsolationConfiguration["builds"],
): Promise<Pick<NixForTest, "workspace" | "facts" | "state" | "close">> {
  const directory = await scratch("/var/tmp");
  const disk = join(directory, "disk");
  await mkdir(disk);
  const undo: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true })];
  const close = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    // A tmpfs would count as its builders' memory, and keep it when they have gone.
    const image = join(directory, "image");
    await execute("truncate", ["--size", String(diskBytes), image]);
    await execute("/usr/sbin/mkfs.ext4", ["-q", "-m", "0", "-N", String(INODES), image]);
    await execute("mount", ["-o", "loop", image, disk]);
    undo.push(() => execute("umount", [disk]));
    await chmod(disk, 0o711);
    const state = join(disk, "state");
    const isolation = await startIsolation({
      kind: "own",
      config: {
        egress: [],
        ...isolationWith(),
        uidBase,
        jobUsers: 4,
        buildUsers: 8,
        builds,
        stateDirectory: state,
      },
    });
    undo.push(() => isolation.close());
    const workspace = workspaceOf(await isolation.openJob("limited"));
    return { workspace, facts: await readFacts(workspace), state, close };
  } catch (error) {
    await close();
    throw error;
  }
}
