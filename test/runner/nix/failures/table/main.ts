/** Writes the table of recorded failures anew: `node test/runner/nix/failures/table/main.ts`. */
import { writeFile } from "node:fs/promises";
import { readRecorded } from "../recording.ts";
import { TABLE, tableOf } from "../table.ts";

await writeFile(TABLE, await tableOf(await readRecorded()));
