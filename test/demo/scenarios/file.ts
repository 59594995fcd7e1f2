import { expect, type Scenario } from "../scenario.ts";
import { derivation } from "./flakes.ts";

export const nonFlake: Scenario = {
  name: "a file that is not a flake",
  group: "main",
  async play(stage) {
    const configuration = `version: 1
evaluate:
  - file: default.nix
    attributes: [manifests.json, image]
    args: { local: "true" }
`;
    const file = (text: string) => `{ local ? "false" }:
{
  manifests.json = ${derivation("manifests.json", `echo ${text} $LOCAL > $out`).replace("args =", "LOCAL = local; args =")};
  image = ${derivation("image", "echo image > $out")};
  push = throw "only declared attributes are touched";
}
`;
    const project = await stage.project("file", {
      "default.nix": file("one"),
      ".github/snowcat.yml": configuration,
    });
    const head = await project.push("feature", { "default.nix": file("two") });
    await project.openPull("feature", "Plain Nix");
    const checks = await project.judged(head);
    expect(checks.get("snowcat") === "success", "green", checks.seen());
    expect(
      checks.text("snowcat / build").includes("manifests.json"),
      "declared attributes are listed",
      checks.text("snowcat / build"),
    );
    return checks.seen();
  },
};
