import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { bundleWorker } from "./bundle.ts";
import type { Mutant } from "./mutants.ts";
import type { Input, Played } from "./world.ts";

export type Order = {
  worlds: readonly { seed: number; deliveries: number }[];
  mutant: Mutant | null;
  log: boolean;
  /** After each world; true: no further one is begun. */
  played: (world: Played) => boolean;
};

/** Plays worlds, each in a thread of its own, because each has its own time, network and randomness. */
export async function playAll({ worlds, mutant, log, played }: Order): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "snowcat-simulation-"));
  try {
    const bundle = join(folder, "worker.mjs");
    await bundleWorker(bundle, mutant);
    const privateKey = generateKeyPairSync("rsa", { modulusLength: 2048 })
      .privateKey.export({ type: "pkcs1", format: "pem" })
      .toString();
    const left = [...worlds];
    let enough = false;
    const next = async (): Promise<void> => {
      for (let world = left.shift(); world !== undefined && !enough; world = left.shift())
        enough = played(await inThread({ ...world, bundle, privateKey, log })) || enough;
    };
    await Promise.all(Array.from({ length: availableParallelism() }, next));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function inThread(input: Input): Promise<Played> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL("thread.ts", import.meta.url), { workerData: input });
    thread.once("message", (world: Played) => {
      resolve(world);
      void thread.terminate();
    });
    thread.once("error", (cause) =>
      reject(new Error(`the world of seed ${input.seed} broke down`, { cause })),
    );
    thread.once("exit", (code) =>
      reject(new Error(`the world of seed ${input.seed} ended with ${code} and said nothing`)),
    );
  });
}
