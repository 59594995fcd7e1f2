import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { eventually, type Project, type Pull } from "../../demo/stage.ts";
import { onStack } from "../../e2e/suite.ts";

/** The files of an example, as a first commit. */
async function example(name: string): Promise<Record<string, string>> {
  const folder = join(import.meta.dirname, "../../../nix/examples", name);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Object.fromEntries(
    await Promise.all(
      files.map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return [relative(folder, path), await readFile(path, "utf8")] as const;
      }),
    ),
  );
}

onStack("the impact of a pull request", {}, (at) => {
  const comments = (project: Project, { pull }: Pull): string[] =>
    at.stage.github.comments(project.repository, pull.number).map(({ body }) => body);
  const said = async (project: Project, pull: Pull, text: string): Promise<string> => {
    await eventually(
      async () => comments(project, pull).some((body) => body.includes(text)),
      `the comment says '${text}'`,
      async () => ({ comments: comments(project, pull), ...(await at.stage.state()) }),
    );
    // However often it was written, there is one.
    const all = comments(project, pull);
    expect(all).toHaveLength(1);
    return all[0] ?? "";
  };
  const domain = (name: string, of: string) => ({
    [`machines/${name}/configuration.nix`]: `{ domain = "${of}"; }\n`,
  });

  test("names the machines of a fleet that change, and how, in one comment", async () => {
    const project = await at.stage.project("fleet", await example("fleet"));
    // Nobody has evaluated the base: a runner does, beside the run.
    await project.push("new-domain", domain("web1", "example.com"));
    const first = await project.openPull("new-domain", "Another domain");
    const text = await said(project, first, "What changes in each machine");
    expect(text).toContain("**1 of 7 machines changes.**");
    expect(text).toContain("| `web1` `web, canary` | changed | not known |");
    expect(text).toContain("Unchanged: `build1`, `db1`, `monitor1`, `vault1`, `web2`, `web3`");
    // In clan's inventory, and not among what the configuration has evaluated.
    expect(text).toContain("nothing that was evaluated is the machine `laptop`.");
    expect(text).toContain("`etc-web1`: `variable domain`, `variable hosts`");
    expect(text).toContain("the base's machine is not built on this runner");

    // The base is built: closures can be compared.
    const main = await project.push("main", { "README.md": "Machines.\n" });
    expect((await project.judged(main)).get("snowcat")).toBe("success");
    const grown = (await example("fleet"))["nix/system.nix"]?.replace(
      "ln -s $path $out/sw",
      "ln -s $path $out/sw; yes | head -c 65536 > $out/big",
    );
    await project.push("bigger", { "nix/system.nix": grown ?? "" });
    const second = await project.openPull("bigger", "Bigger machines");
    const closures = await said(project, second, "→ 6 paths");
    expect(closures).toContain("**7 of 7 machines change.**");
    expect(closures).toContain(
      "| `web1` `web, canary` | changed | +64.2 KiB, 6 → 6 paths | 1 changed |",
    );
    expect(closures).toContain("`arguments`");

    // A change of nothing that is evaluated.
    await project.push("words", { "README.md": "The machines.\n" });
    const third = await project.openPull("words", "Words");
    expect(await said(project, third, "### Impact")).toContain(
      "**Nothing changes:** the derivations of all 7 machines are the same",
    );
  });
});
