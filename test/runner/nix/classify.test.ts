import { expect, test } from "vitest";
import { blamesMachinery, classify } from "../../../src/runner/nix/build/classify.ts";

const drv = "/nix/store/z2m088p29bhvdcn3jfw2l2f9sgmpaqcp-bad.drv";

test.each([
  [
    "2.8 exit code",
    `error: builder for '${drv}' failed with exit code 3`,
    { kind: "failed", exitCode: 3 },
  ],
  [
    "2.8 with the last lines",
    `error: builder for '${drv}' failed with exit code 1;\n       last 2 log lines:\n       > a\n       For full logs, run`,
    { kind: "failed", exitCode: 1 },
  ],
  [
    "2.8 signal",
    `error: builder for '${drv}' failed due to signal 11 (Segmentation fault)`,
    {
      kind: "failed",
      exitCode: null,
      said: "builder failed due to signal 11 (Segmentation fault)",
      signal: 11,
    },
  ],
  [
    "2.8 killed",
    `error: builder for '${drv}' failed due to signal 9 (Killed)`,
    { kind: "failed", exitCode: null, said: "builder failed due to signal 9 (Killed)", signal: 9 },
  ],
  [
    "2.34 killed",
    `error: Cannot build '${drv}'.\n       Reason: builder failed due to signal 9 (Killed).\n       Output paths:\n         /nix/store/x`,
    { kind: "failed", exitCode: null, said: "builder failed due to signal 9 (Killed)", signal: 9 },
  ],
  [
    "2.8 no output",
    `error: builder for '${drv}' failed to produce output path for output 'out' at '/nix/store/x'`,
    {
      kind: "failed",
      exitCode: null,
      said: "builder failed to produce output path for output 'out' at '/nix/store/x'",
    },
  ],
  [
    "2.8 a pipe for an output",
    `error: file '${drv}.chroot/nix/store/x-bad' has an unsupported type`,
    {
      kind: "failed",
      exitCode: null,
      said: `file '${drv}.chroot/nix/store/x-bad' has an unsupported type`,
    },
  ],
  [
    "2.8 an output that everybody may write to",
    `error: suspicious ownership or permission on '${drv}.chroot/nix/store/x-bad' for output 'out'; rejecting this build output`,
    {
      kind: "failed",
      exitCode: null,
      said: `suspicious ownership or permission on '${drv}.chroot/nix/store/x-bad' for output 'out'; rejecting this build output`,
    },
  ],
  [
    "2.8 log",
    `error: building of '${drv}' killed after writing more than 2097152 bytes of log output`,
    {
      kind: "failed",
      exitCode: null,
      said: "killed after writing more than 2097152 bytes of log output",
    },
  ],
  [
    "2.8 references",
    `error: illegal path references in fixed-output derivation '${drv}'`,
    {
      kind: "failed",
      exitCode: null,
      said: "the output of a fixed-output derivation refers to other store paths",
    },
  ],
  [
    "2.8 hash",
    `error: hash mismatch in fixed-output derivation '${drv}':\n         specified: sha256-AAAA=\n            got:    sha256-IBDO=`,
    { kind: "hash-mismatch", specified: "sha256-AAAA=", got: "sha256-IBDO=" },
  ],
  [
    "2.8 time",
    `error: building of '${drv}!*' from .drv file timed out after 2 seconds`,
    { kind: "timed-out" },
  ],
  ["2.26 time", `error: building of '${drv}^*' timed out after 2 seconds`, { kind: "timed-out" }],
  [
    "2.8 silence",
    `error: building of '${drv}!*' from .drv file timed out after 2 seconds of silence`,
    { kind: "silent" },
  ],
  [
    "2.8 feature",
    `error: a 'x86_64-linux' with features {kvm2} is required to build '${drv}', but I am a 'x86_64-linux' with features {benchmark, big-parallel}`,
    { kind: "no-runner", missing: ["feature kvm2"] },
  ],
  [
    "2.8 system",
    `error: a 'aarch64-linux' with features {} is required to build '${drv}', but I am a 'x86_64-linux' with features {kvm}`,
    { kind: "no-runner", missing: ["system aarch64-linux"] },
  ],
  [
    "2.34 exit code",
    `error: Cannot build '${drv}'.\n       Reason: builder failed with exit code 3.\n       Output paths:\n         /nix/store/x`,
    { kind: "failed", exitCode: 3 },
  ],
  [
    "2.34 disk",
    `error: Cannot build '${drv}'.\n       Reason: builder failed with exit code 1.\n       Last 1 log lines:\n       > sh: write error: No space left on device`,
    { kind: "out-of-disk" },
  ],
  [
    "2.34 feature",
    `error: Cannot build '${drv}'.\n       Reason: required system or feature not available\n       Required system: 'x86_64-linux' with features {kvm2}\n       Current system: 'x86_64-linux' with features {benchmark}`,
    { kind: "no-runner", missing: ["feature kvm2"] },
  ],
])("%s", (_name, message, cause) => {
  expect(classify(message)).toMatchObject({ drv, cause });
});

test.each([
  `error: 1 dependencies of derivation '${drv}' failed to build`,
  `error: Cannot build '${drv}'.\n       Reason: 1 dependency failed.`,
  `error: build of '${drv}' failed`,
  "error: something else",
])("says nothing about a build of its own: %s", (message) => {
  expect(classify(message)).toBeNull();
});

test.each(["builder for", "Cannot build"])(
  "what a builder printed about another is not believed: %s",
  (how) => {
    const liar = drv.replace("bad", "liar");
    const message =
      how === "builder for"
        ? `error: builder for '${liar}' failed with exit code 5;\n       last 1 log lines:`
        : `error: Cannot build '${liar}'.\n       Reason: builder failed with exit code 5.\n       Output paths:\n         /nix/store/x\n       Last 1 log lines:`;
    const lies = [
      `builder for '${drv}' failed with exit code 1`,
      `hash mismatch in fixed-output derivation '${drv}': specified: sha256-A got: sha256-B`,
    ];
    for (const lie of lies)
      expect(classify(`${message}\n       > error: ${lie}`)).toEqual({
        drv: liar,
        cause: { kind: "failed", exitCode: 5 },
      });
  },
);

test("a lost daemon is nobody's build", () => {
  expect(
    blamesMachinery(
      "error: cannot connect to daemon at '/nix/var/nix/daemon-socket/socket': Connection refused",
    ),
  ).toBe(true);
  expect(blamesMachinery(`error: builder for '${drv}' failed with exit code 3`)).toBe(false);
});
