import { expect, test } from "vitest";
import type { LaunchResult, Workspace } from "../../../src/runner/nix/launch.ts";
import { adapt, readFacts } from "../../../src/runner/nix/version.ts";
import { NO_STORE } from "./no-store.ts";

test.each([
  ["nix (Nix) 2.8.0\n", "2.8.0", "show-derivation", "show-config"],
  ["nix (Nix) 2.18.9\n", "2.18.9", "derivation", "show-config"],
  ["nix (Nix) 2.26.3\n", "2.26.3", "derivation", "config"],
  ["nix (Nix) 2.34.8\n", "2.34.8", "derivation", "config"],
  ["nix (Nix) 3.0pre20260101_abcdef0\n", "3.0pre20260101_abcdef0", "derivation", "config"],
  ["nix (Lix, like Nix) 2.91.1\n", "2.91.1", "derivation", "show-config"],
  [
    "nix (Lix, like Nix) 2.92.0-dev\nSystem type: x86_64-linux\nFeatures: gc, signed-caches\n",
    "2.92.0",
    "derivation",
    "show-config",
  ],
])("%j", (printed, number, derivations, configuration) => {
  const version = adapt(printed);
  expect(version?.number).toBe(number);
  expect(version?.showDerivations[0]).toBe(derivations);
  expect(version?.showConfiguration[0]?.[0]).toBe(configuration);
});

test("what is no version is none", () => {
  expect(adapt("nix\n")).toBeNull();
});

/** A Nix that knows one of the commands. */
function workspace(known: string): Workspace {
  const result = (exitCode: number, stdout: string, stderr = ""): LaunchResult => ({
    exitCode,
    signal: null,
    durationMs: 0,
    timedOut: false,
    cancelled: false,
    outOfMemory: false,
    peakBytes: null,
    startFailure: null,
    stdout: new TextEncoder().encode(stdout),
    stderr: new TextEncoder().encode(stderr),
    truncated: false,
  });
  return {
    directory: "/job",
    secrets: "/run/secrets",
    endings: async () => new Map(),
    store: NO_STORE,
    async launch({ argv: [, verb = ""] }) {
      if (verb === "--version") return result(0, "nix (Lix, like Nix) 2.95.0\n");
      const settings = {
        system: { value: "x86_64-linux" },
        "system-features": { value: ["kvm"] },
      };
      return verb === known
        ? result(0, JSON.stringify(settings))
        : result(1, "", `error: '${verb}' is not a recognised command\n`);
    },
  };
}

test.each(["config", "show-config"])(
  "the configuration is asked for by the name it has: %s",
  async (known) => {
    await expect(readFacts(workspace(known))).resolves.toMatchObject({
      systems: ["x86_64-linux"],
      features: ["kvm"],
    });
  },
);

test("no name at all is an error that says so", async () => {
  await expect(readFacts(workspace("other"))).rejects.toThrow("not a recognised command");
});
