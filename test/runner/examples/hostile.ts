import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cannotRun } from "../../../scripts/test/missing.ts";
import { attacks, commitTree, type Attack } from "../../hostile/index.ts";
import { awkwardNames } from "../../hostile/names.ts";
import { plant, type Planted } from "./planted.ts";
import { exampleStore, type ExampleStore } from "./store.ts";

/**
 * The control of the hostile trees: on plain Nix, as root and without isolation, those that are said to leak do. What
 * isolation then keeps from them was within their reach; isolated.test.ts is the trial.
 */

const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
const reason =
  process.getuid?.() === 0
    ? cannotRun("nix", "busybox", "unshare", "git")
    : "binding a store over /nix needs root";

/** Whose control `npm test` tries; `npm run test:slow` tries the others. */
export const QUICK_CONTROLS = 4;

/** @param wanted which of the trees of each kind, by their place in it */
export function tryHostileTrees(wanted: (place: number) => boolean): void {
  let store: ExampleStore;
  let planted: Planted;
  beforeAll(async () => {
    if (reason) return;
    store = await exampleStore({ sandbox: false });
    planted = await plant(store.folder, SYSTEM, async (file) => {
      const added = await store.run(["nix-store", "--add-fixed", "sha256", file]);
      expect(added.stderr).toBe("");
      return added.stdout.trim();
    });
  });
  afterAll(async () => {
    if (reason) return;
    await planted[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  async function leaks(attack: Attack): Promise<{ leaked: string[]; said: string; code: number }> {
    const { environment } = planted;
    const canaries = { ...planted.canaries, nonce: randomBytes(8).toString("hex") };
    const folder = join(store.folder, "trees", attack.name);
    await commitTree(folder, attack.tree(canaries));
    // What nixConfig would switch off has to be on.
    const sandbox = ["--option", "sandbox", String(attack.name.startsWith("nixconfig-"))];
    const command =
      attack.entry.kind === "file"
        ? [
            "nix-build",
            "--no-out-link",
            ...sandbox,
            join(folder, attack.entry.file),
            ...attack.entry.attributes.flatMap((name) => ["-A", name]),
          ]
        : [
            "nix",
            "build",
            "--print-build-logs",
            "--no-link",
            "--accept-flake-config",
            ...sandbox,
            `git+file://${folder}#packages.${SYSTEM}.loot`,
          ];
    const ended = await store.run(command, { env: environment });
    const said = ended.stdout + ended.stderr;
    const seen = [canaries.secret, canaries.visible].filter((text) => said.includes(text));
    return { leaked: [...seen, ...(await planted.traces())], said, code: ended.code };
  }

  describe("on plain Nix", () => {
    beforeEach((context) => {
      if (reason) context.skip(reason);
    });

    test.for(
      attacks(SYSTEM)
        .filter((attack) => attack.plainNix === "leaks")
        .filter((_, place) => wanted(place)),
    )("$name: $tries", async (attack) => {
      const { leaked, said } = await leaks(attack);
      expect(leaked.length, said.slice(-2_000)).toBeGreaterThan(0);
    });

    test.for(
      attacks(SYSTEM)
        .filter((attack) => attack.plainNix === "holds")
        .filter((_, place) => wanted(place)),
    )("$name holds already: $tries", async (attack) => {
      const { leaked, said, code } = await leaks(attack);
      expect(leaked, said.slice(-2_000)).toEqual([]);
      if (attack.expect.kind === "evaluation-fails") {
        expect(code).not.toBe(0);
        if (attack.expect.says) expect(said).toMatch(attack.expect.says);
      }
    });

    test("awkward names reach Nix as they are", async () => {
      const canaries = { ...planted.canaries, nonce: randomBytes(8).toString("hex") };
      const attack = attacks(SYSTEM).find(({ name }) => name === "awkward-names");
      const folder = join(store.folder, "awkward");
      await commitTree(folder, attack?.tree(canaries) ?? {});
      const listed = await store.run([
        "nix",
        "eval",
        "--json",
        `git+file://${folder}#packages.${SYSTEM}`,
        "--apply",
        "builtins.attrNames",
      ]);
      expect(new Set(JSON.parse(listed.stdout) as string[])).toEqual(new Set(awkwardNames));
    });

    test("no tree holds what it is after", () => {
      const canaries = { ...planted.canaries, nonce: "nonce" };
      for (const attack of attacks(SYSTEM)) {
        const text = JSON.stringify(attack.tree(canaries));
        expect(text.includes(canaries.secret) || text.includes(canaries.visible), attack.name).toBe(
          false,
        );
      }
    });
  });
}
