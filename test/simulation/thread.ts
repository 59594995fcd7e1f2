import { parentPort, workerData } from "node:worker_threads";
import { type Input, play } from "./world.ts";

parentPort?.postMessage(await play(workerData as Input));
