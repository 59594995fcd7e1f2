import type { Gate } from "./gate.ts";
import { testFolders } from "../test/folders.ts";

/** Every test file is in a folder that `npm test` runs. */
export const tests: Gate = {
  name: "tests",
  async run({ files }) {
    const folders: readonly string[] = Object.values(testFolders).flat();
    return files
      .filter((file) => /\.(test|spec)\.[cm]?[jt]sx?$/.test(file) && !file.includes("/fixtures/"))
      .filter(
        (file) =>
          !/\.test\.tsx?$/.test(file) || !folders.some((folder) => file.startsWith(`${folder}/`)),
      )
      .map((file) => `${file}: no project of vitest.config.ts runs it (scripts/test/folders.ts)`);
  },
};
