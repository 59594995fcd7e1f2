import { expect, test } from "vitest";
import { startIsolation } from "../../../src/runner/isolation/index.ts";
import { describeIsolated, isolationForTest } from "./support.ts";

describeIsolated("the preflight", () => {
  test("notices that a job can read the host's files", async () => {
    const place = await isolationForTest({ readOnlyPaths: ["/var/tmp"] });
    try {
      expect(await place.isolation.preflight()).toEqual({
        ok: false,
        missing: ["a sandboxed program read a file of the host"],
      });
    } finally {
      await place.close();
    }
  });

  test("notices that a build can", async () => {
    const place = await isolationForTest({ nix: { "extra-sandbox-paths": "/var/tmp" } });
    try {
      expect(await place.isolation.preflight()).toEqual({
        ok: false,
        missing: ["a build sees the host's files: Nix's sandbox is off"],
      });
    } finally {
      await place.close();
    }
  });

  test("takes what cannot be tried for missing", async () => {
    const place = await isolationForTest({ sandboxShell: null });
    try {
      expect(await place.isolation.preflight()).toEqual({
        ok: false,
        missing: [
          expect.stringMatching(/^no build succeeds in Nix's sandbox: exited with/),
          expect.stringMatching(/^a fixed-output build cannot be tried: exited with/),
        ],
      });
    } finally {
      await place.close();
    }
  });

  test("fails where isolation is switched off, without trying anything", async () => {
    const none = await startIsolation({ kind: "none" });
    expect(await none.preflight()).toEqual({ ok: false, missing: ["isolation is switched off"] });
  });
});
