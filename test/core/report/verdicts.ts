import type { Listed } from "../../../src/core/report/index.ts";
import type { Verdict } from "../../../src/protocol/verdict.ts";

const drv = (name: string) => `/nix/store/${"0".repeat(32)}-${name}.drv`;
const logTail = "one\ntwo";
/** Each verdict that has a check of its own, as a person finds it. */
export const ROOTED: Verdict[] = [
  {
    kind: "hash-mismatch",
    drv: drv("app-1.0"),
    specified: `sha256-${"A".repeat(43)}=`,
    got: `sha256-${"B".repeat(43)}=`,
  },
  { kind: "timed-out", limitSeconds: 14_400, logTail },
  { kind: "silent", limitSeconds: 7_200, logTail },
  { kind: "out-of-memory", limitBytes: null, logTail },
  { kind: "out-of-disk", logTail },
];
const fetched = "what src.tar.gz fetches could not be had: HTTP error 429 ('')";
export const SURROUNDINGS: Listed[] = (
  [
    { kind: "infrastructure", message: fetched, logTail: "" },
    {
      kind: "infrastructure",
      message: `not tried, because ${drv("src.tar.gz")} could not be: ${fetched}`,
      logTail: "",
    },
    { kind: "no-runner", missing: ["system aarch64-linux", "feature kvm"] },
  ] satisfies Verdict[]
).map((verdict, n) => ({
  name: `packages.x86_64-linux.s${n}`,
  system: "x86_64-linux",
  required: true,
  verdict,
  seconds: 0,
}));
