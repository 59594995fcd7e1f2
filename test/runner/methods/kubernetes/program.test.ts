import { expect, test } from "vitest";
import { argumentsOf } from "../../../../src/runner/deploy/methods/kubernetes/program.ts";
import { store } from "../../deploy/support.ts";

const kluctl = {
  system: store("kubenixDeploy"),
  file: `${store("kubenixDeploy")}/bin/kubenixDeploy`,
};
const kubenix = { system: store("kubenix"), file: `${store("kubenix")}/bin/kubenix` };
const through = ["--request-timeout=0", "apply", "-f", "-"];

// easykubenix hands its arguments to `kluctl deploy`; kubenix adds `--prune` to each `apply` of its own.
test.each([
  [kluctl, ["--yes"], { dry: true, prune: false }, ["--dry-run", "--short-output"]],
  [
    kluctl,
    ["-y", "--force-apply"],
    { dry: false, prune: false },
    ["--yes", "--short-output", "--force-apply"],
  ],
  [kluctl, [], { dry: true, prune: true }, ["--dry-run", "--short-output", "--prune"]],
  [kubenix, ["--yes"], { dry: true, prune: false }, [...through, "--dry-run=server"]],
  [kubenix, ["--server-side"], { dry: false, prune: false }, [...through, "--server-side"]],
  [kubenix, [], { dry: true, prune: true }, ["apply", "--all", "--dry-run=server"]],
  [kubenix, ["-l", "app=csi"], { dry: false, prune: true }, ["apply", "-l", "app=csi"]],
])("%j with %j, %j", (program, given, run, argv) => {
  expect(argumentsOf(program, given, run)).toEqual(argv);
});
