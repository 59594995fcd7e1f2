import { expect, test } from "vitest";
import { isOfSystems } from "../../../src/core/run/required.ts";
import type { Attribute } from "../../../src/protocol/attribute.ts";

const DRV = `/nix/store/${"a".repeat(32)}-x.drv`;

function attribute(ofPath: string | null, own: string | null): Attribute {
  return {
    selection: 0,
    path: ["packages", ofPath ?? "x", "x"],
    system: ofPath,
    result:
      own === null
        ? { kind: "error", message: "no", position: null }
        : {
            kind: "derivation",
            derivation: { path: DRV, name: "x", system: own, outputs: {}, features: [] },
          },
    seconds: null,
  };
}

test.each([
  ["its path's", "x86_64-linux", "x86_64-linux", true],
  ["another derivation's under a path that is asked for", "x86_64-linux", "aarch64-linux", true],
  ["built here for elsewhere", "aarch64-linux", "x86_64-linux", true],
  ["altogether foreign", "aarch64-linux", "aarch64-linux", false],
  ["foreign by path, not bound to a system", "aarch64-linux", "builtin", false],
  ["foreign, and in error", "aarch64-linux", null, false],
  ["without a path's system", null, "x86_64-linux", true],
  ["without a path's system, foreign", null, "aarch64-linux", false],
  ["of no system at all", null, "builtin", true],
  ["in error, of no system", null, null, true],
])("required of x86_64-linux: %s", (_, ofPath, own, required) => {
  expect(isOfSystems(attribute(ofPath, own), ["x86_64-linux"])).toBe(required);
});
