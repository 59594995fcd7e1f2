import { describe, expect, it } from "vitest";
import { type FleetRunner, route } from "../../../src/core/fleet/index.ts";

/** Where the jobs of a deploy may go: what they make has to reach the machines. */

const [A, B, C] = ["SHA256:a", "SHA256:b", "SHA256:c"];
const wanted = { pool: "deploy", repository: 7, system: "x86_64-linux", features: [] } as const;

function runner(name: string, machines: string[], change: Partial<FleetRunner> = {}): FleetRunner {
  return {
    runner: name,
    class: name,
    pool: "deploy",
    repositories: null,
    systems: ["x86_64-linux"],
    features: [],
    exchange: null,
    targets: machines.map((hostKey) => ({ hostKey, repositories: [7] })),
    online: true,
    draining: false,
    leaseUntil: 0,
    slots: 1,
    used: 0,
    ...change,
  };
}
const nowhere = {
  kind: "nowhere",
  missing: [expect.stringContaining("names all of these machines")],
};

describe("what is made for machines", () => {
  it("goes to a runner that may change all of them, whatever others have", () => {
    const runners = [runner("one", [A]), runner("all", [A, B])];
    expect(route(wanted, [A, B], null, runners)).toEqual({
      kind: "routed",
      machines: [A, B],
      exchange: null,
    });
    expect(route(wanted, [A], null, runners)).toMatchObject({ machines: [A] });
  });

  it("may go to any runner of one exchange, where it takes several to change them", () => {
    const runners = [
      runner("one", [A], { exchange: "e" }),
      runner("other", [B], { exchange: "e" }),
      runner("stranger", [C], { exchange: "f" }),
    ];
    expect(route(wanted, [A, B], null, runners)).toEqual({
      kind: "routed",
      machines: [],
      exchange: "e",
    });
    expect(route(wanted, [A, C], null, runners)).toEqual(nowhere);
  });

  it.each([
    ["have no exchange", null, null],
    ["have one each", "e", "f"],
    ["have one of which only one has any", "e", null],
  ])("goes nowhere where it takes several that %s", (_name, one, other) => {
    const runners = [
      runner("one", [A], { exchange: one }),
      runner("other", [B], { exchange: other }),
    ];
    expect(route(wanted, [A, B], null, runners)).toEqual(nowhere);
  });

  it("is built by another runner of the exchange, where those that may change it have not the system", () => {
    const arm = { ...wanted, system: "aarch64-linux" };
    const here = runner("here", [A], { exchange: "e" });
    const there = runner("there", [], { exchange: "e", systems: ["aarch64-linux"] });
    expect(route(arm, [A], null, [here, there])).toEqual({
      kind: "routed",
      machines: [],
      exchange: "e",
    });
    // Without an exchange the job itself says what is missing.
    expect(route(arm, [A], null, [runner("here", [A]), there])).toMatchObject({ machines: [A] });
  });

  it("asks for a policy that names each; for another repository there is none", () => {
    const runners = [runner("one", [A], { exchange: "e" })];
    expect(route(wanted, [A, B], null, runners)).toMatchObject({ machines: [A, B] });
    expect(route({ ...wanted, repository: 8 }, [A], null, runners)).toMatchObject({
      machines: [A],
    });
  });

  it("of no machine is free", () => {
    expect(route(wanted, [], "x", [])).toEqual({ kind: "routed", machines: [], exchange: "x" });
  });
});
