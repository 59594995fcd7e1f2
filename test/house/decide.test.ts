import { expect, test } from "vitest";
import { decide, missingForTests } from "../../scripts/tools/decide.mjs";
import { tools } from "../../scripts/tools/table.mjs";

const missing = tools.filter(({ name }) => name === "nix" || name === "bwrap");
const root = { root: true, apt: true, nix: false };
const user = { root: false, apt: true, nix: false };
const situation = {
  command: "test",
  missing,
  partial: true,
  ci: false,
  tried: false,
  machine: root,
};

test("nothing missing: nothing to do", () => {
  expect(decide({ ...situation, missing: [] })).toEqual({ kind: "ready" });
});

test("root on Debian installs, in CI too", () => {
  const install = { kind: "install", packages: ["nix-bin", "bubblewrap"] };
  expect(decide(situation)).toEqual(install);
  expect(decide({ ...situation, ci: true })).toEqual(install);
});

test("it installs once; what is still missing then is refused or gone without", () => {
  expect(decide({ ...situation, tried: true }).kind).toBe("go-on");
  expect(decide({ ...situation, tried: true, ci: true }).kind).toBe("refuse");
});

test("someone else gets one command; tests go on, what cannot do without is refused", () => {
  const remedy =
    "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends nix-bin bubblewrap'";
  const decision = decide({ ...situation, machine: user });
  expect(decision).toEqual({ kind: "go-on", missing, remedy });
  expect(decide({ ...situation, machine: user, command: "demo", partial: false })).toEqual({
    kind: "refuse",
    missing,
    remedy,
  });
});

test("what only root may do is run as root, which installs the rest", () => {
  const demo = { ...situation, command: "demo", partial: false, needsRoot: "sets up users" };
  const become = {
    kind: "become-root",
    why: "sets up users",
    remedy: 'sudo env "PATH=$PATH" npm run demo',
  };
  expect(decide({ ...demo, machine: user })).toEqual(become);
  expect(decide({ ...demo, machine: user, missing: [] })).toEqual(become);
  expect(decide({ ...demo, missing: [] })).toEqual({ kind: "ready" });
  expect(decide(demo).kind).toBe("install");
});

test("CI=true makes a missing tool a failure", () => {
  expect(decide({ ...situation, machine: user, ci: true }).kind).toBe("refuse");
});

test("without apt the command comes from Nix, or from a container", () => {
  const remedy = (nix: boolean) => {
    const decision = decide({ ...situation, machine: { root: true, apt: false, nix } });
    return decision.kind === "go-on" ? decision.remedy : decision.kind;
  };
  expect(remedy(true)).toBe("nix shell nixpkgs#nix nixpkgs#bubblewrap --command npm run test");
  expect(remedy(false)).toMatch(/^docker run .* npm run test$/);
});

test("tests are told what is missing and why it was wanted", () => {
  const told: unknown = JSON.parse(missingForTests(missing));
  expect(told).toMatchObject([{ name: "nix", package: "nix-bin" }, { name: "bwrap" }]);
});
