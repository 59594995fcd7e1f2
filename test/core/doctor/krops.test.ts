import { describe, expect, it } from "vitest";
import type { Configuration } from "../../../src/core/config/schema.ts";
import { kropsNamed } from "../../../src/core/doctor/krops.ts";
import type { KropsTree } from "../../../src/core/krops/index.ts";

const configuration: Configuration = {
  version: 1,
  machines: { machine1: { method: "krops" }, machine2: { method: "krops" }, web1: {} },
};
const text = `let deploy = import ./nix/krops.nix;
  machine1 = deploy { };
  machine3 = deploy { };
in { inherit machine1; all = [ machine1 ]; }`;
const tree = (changes: Partial<KropsTree> = {}): KropsTree => ({
  krops: { path: "krops.nix", text },
  build: null,
  folders: null,
  shared: null,
  example: null,
  config: [],
  declared: [],
  ...changes,
});
const told = (changes: Partial<KropsTree> = {}) => [...kropsNamed(configuration, tree(changes))];

describe("krops in a checkout", () => {
  it("has each machine that the configuration names, or says which it has not", () => {
    expect(told()).toEqual([
      {
        level: "warning",
        path: ["machines"],
        message:
          "machine3 is in krops.nix (an attribute) and not in krops.nix (inherit), krops.nix (all)",
      },
      { level: "error", path: ["machines", "machine2"], message: "krops.nix has no machine2" },
    ]);
  });

  it("says what is the operator's and not covered", () => {
    const template = { path: "example-krops.nix", text: text.replaceAll("machine3", "machine1") };
    expect(told({ krops: template })).toEqual([
      {
        level: "note",
        path: ["machines"],
        message:
          "krops.nix is the deploy runner's and not covered; example-krops.nix is looked at in its place",
      },
    ]);
    expect(told({ krops: null })).toMatchObject([
      { level: "note", message: expect.stringContaining("it is not covered") },
    ]);
  });

  it("is none of other methods' business", () => {
    const plain: Configuration = { version: 1, machines: { web1: {} } };
    expect([...kropsNamed(plain, tree())]).toEqual([]);
    expect([...kropsNamed(configuration, null)]).toEqual([]);
  });
});
