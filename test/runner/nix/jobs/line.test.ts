import { expect, test } from "vitest";
import { decodePath } from "../../../../src/runner/nix/evaluate/jobs/expression.ts";
import { parseJobLine } from "../../../../src/runner/nix/evaluate/jobs/line.ts";

/** Lines after the tool's documentation and source, by version; the tool itself could not be run to record them. */
const LINES = {
  "2.9.0, without attrPath":
    '{"attr":"build-sanitized-clang.x86_64-linux","drvPath":"/nix/store/igmkq61cwys8nj34yqvnpdg921h0i0mp-patchelf-0.14.3.drv","name":"patchelf-0.14.3","outputs":{"out":"/nix/store/nwwgff1fwkws4wxv7k7cfvvin8ab9gbh-patchelf-0.14.3"},"system":"x86_64-linux"}',
  "2.19.4 to 2.33, with inputDrvs":
    '{"attr":"coverage","attrPath":["coverage"],"drvPath":"/nix/store/fmbqzaq8mim1423879lhn9whs6imx5w4-patchelf-coverage-0.18.0.drv","inputDrvs":{"/nix/store/23632hx2c98lbbjld279dx0w08lxn6kp-hook.drv":["out"]},"name":"patchelf-coverage-0.18.0","outputs":{"out":"/nix/store/gfni9sbhhwhxxfqziq1fs3n82bvw962l-patchelf-coverage-0.18.0"},"system":"x86_64-linux"}',
  "2.24, an output that is not known yet":
    '{"attr":"ca","attrPath":["ca"],"cacheStatus":"notBuilt","drvPath":"/nix/store/fmbqzaq8mim1423879lhn9whs6imx5w4-ca.drv","inputDrvs":{},"isCached":false,"name":"ca","outputs":{"out":null},"system":"x86_64-linux"}',
  "2.33, features and needed builds":
    '{"attr":"vm","attrPath":["vm"],"cacheStatus":"notBuilt","drvPath":"/nix/store/fmbqzaq8mim1423879lhn9whs6imx5w4-vm.drv","isCached":false,"name":"vm","neededBuilds":["/nix/store/fmbqzaq8mim1423879lhn9whs6imx5w4-vm.drv"],"neededSubstitutes":[],"outputs":{"out":"/nix/store/gfni9sbhhwhxxfqziq1fs3n82bvw962l-vm"},"requiredSystemFeatures":["kvm","nixos-test"],"system":"x86_64-linux"}',
  "an error of one attribute":
    '{"attr":"_0.a","attrPath":["_0","a"],"error":"error:\\n       … while calling the \'throw\' builtin\\n\\n       error: no"}',
  "an error of the whole, and a field that nobody knows":
    '{"attr":"","attrPath":[],"error":"error: evaluation failed","novel":true}',
} as const;

test.each(Object.entries(LINES))("%s", (_version, line) => {
  expect(parseJobLine(line)).toMatchSnapshot();
});

test.each([
  "",
  "warning: not using gc-roots",
  "{",
  "null",
  "[]",
  '{"attr":"x"}',
  '{"attr":"x","attrPath":[1],"error":"e"}',
  '{"attr":"x","drvPath":1}',
])("%j is no line", (line) => {
  expect(parseJobLine(line)).toBeNull();
});

test("paths are those that were asked for, and no others", () => {
  const units = [
    { path: ["packages", "x86_64-linux"], shape: "set", leaf: "derivations", from: 0 },
    { path: ["formatter", "x86_64-linux"], shape: "leaf", leaf: "derivations", from: 0 },
  ] as const;
  expect(decodePath(["_0", "_a%2Eb", "_%22%25"], units)).toEqual([
    "packages",
    "x86_64-linux",
    "a.b",
    '"%',
  ]);
  expect(decodePath(["_1"], units)).toEqual(["formatter", "x86_64-linux"]);
  for (const path of [[], ["_2"], ["0"], ["_0", "a"], ["_-1"], ["_1e0"]])
    expect(decodePath(path, units)).toBeNull();
});
