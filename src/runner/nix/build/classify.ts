import { blamesStore } from "../machinery.ts";
import type { Cause } from "./failure.ts";

/** What a message of Nix says about one derivation. */
export interface Finding {
  readonly drv: string;
  readonly cause: Cause;
  /** Nix lets everything else go at this, whatever else it was building. */
  readonly aborts?: true;
}

/** A derivation in quotes; with the outputs that are wanted of it behind `!` or, later, `^`. */
const DRV = String.raw`'?(/nix/store/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+?\.drv)(?:[!^][^'\s]*)?'?(?: from \.drv file)?`;
const HASH = String.raw`([A-Za-z0-9+/=:-]{1,256})`;

type Reader = (found: RegExpExecArray) => Finding | null;

/** Texts of Nix 2.8 to 2.34, cleaned. The first that fits counts. */
const TEXTS: readonly (readonly [RegExp, Reader])[] = [
  [
    new RegExp(
      `hash mismatch in fixed-output derivation ${DRV}:?\\s+(?:likely URL: \\S+\\s+)?specified:\\s*${HASH}\\s+got:\\s*${HASH}`,
      "u",
    ),
    ([, drv = "", specified = "", got = ""]) => ({
      drv,
      cause: { kind: "hash-mismatch", specified, got },
    }),
  ],
  [
    new RegExp(
      `build(?:ing|er)(?: of| for)? ${DRV} timed out after [0-9]+ seconds of silence`,
      "u",
    ),
    ([, drv = ""]) => ({ drv, cause: { kind: "silent" } }),
  ],
  [
    new RegExp(`build(?:ing|er)(?: of| for)? ${DRV} timed out`, "u"),
    ([, drv = ""]) => ({ drv, cause: { kind: "timed-out" } }),
  ],
  [
    new RegExp(`build(?:ing|er)(?: of| for)? ${DRV} (killed after writing more than [^\\n]*)`, "u"),
    ([, drv = "", said]) => ({ drv, cause: { kind: "failed", exitCode: null, said } }),
  ],
  [
    new RegExp(`builder for ${DRV} failed with exit code ([0-9]+)`, "u"),
    ([, drv = "", code]) => ({ drv, cause: { kind: "failed", exitCode: Number(code) } }),
  ],
  [
    new RegExp(`builder for ${DRV} (failed due to signal ([0-9]+)(?: \\([^)\\n]*\\))?)`, "u"),
    ([, drv = "", said, signal]) => ({ drv, cause: bySignal(Number(signal), `builder ${said}`) }),
  ],
  [
    new RegExp(`builder for ${DRV} (failed[^\\n]*)`, "u"),
    ([, drv = "", said]) => ({
      drv,
      cause: { kind: "failed", exitCode: null, said: `builder ${said}` },
    }),
  ],
  [
    new RegExp(
      `a '([^']*)' with features \\{([^}]*)\\} is required to build ${DRV}, but I am a '([^']*)' with features \\{([^}]*)\\}`,
      "u",
    ),
    missing,
  ],
  // 2.30 and later: one paragraph for each derivation, with the reason on a line of its own.
  [
    new RegExp(`[Cc]annot build ${DRV}\\.\\s+Reason: ([^\\n]+)([\\s\\S]*)`, "u"),
    ([, drv = "", reason = "", rest = ""]) =>
      byReason(drv, reason.trim().replace(/\.$/u, ""), rest),
  ],
  [
    new RegExp(`derivation ${DRV} may not be deterministic([^\\n]*)`, "u"),
    ([, drv = "", rest]) => ({
      drv,
      cause: {
        kind: "failed",
        exitCode: null,
        said: `derivation may not be deterministic${rest}`,
      },
    }),
  ],
  // A socket, a pipe or a device as output: told by its place in the build's own root, and the process ends.
  [
    new RegExp(
      String.raw`(file '(/nix/store/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+?\.drv)\.chroot/[^']*' has an unsupported type)`,
      "u",
    ),
    ([, said = "", drv = ""]) => ({
      drv,
      cause: { kind: "failed", exitCode: null, said },
      aborts: true,
    }),
  ],
  // What else is wrong with an output, such as its owner or its mode.
  [
    new RegExp(
      String.raw`^(?:error: )?([^\n]*'(/nix/store/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+?\.drv)\.chroot/[^\n]*)`,
      "u",
    ),
    ([, said = "", drv = ""]) => ({ drv, cause: { kind: "failed", exitCode: null, said } }),
  ],
  [
    new RegExp(`illegal path references in fixed-output derivation ${DRV}`, "u"),
    ([, drv = ""]) => ({
      drv,
      cause: {
        kind: "failed",
        exitCode: null,
        said: "the output of a fixed-output derivation refers to other store paths",
      },
    }),
  ],
];

/** Reads one error message. Null when it says nothing about a derivation's own build. */
export function classify(message: string): Finding | null {
  // What follows is the builder's: it may look like a message about another.
  const [said = ""] = message.split(/\n\s*[Ll]ast [0-9]+ log lines:/u, 1);
  for (const [pattern, read] of TEXTS) {
    const found = pattern.exec(said);
    if (found !== null) return diskFull(read(found), message);
  }
  return null;
}

/** Whether 9 came from the kernel's out-of-memory killer stands in no message of Nix: see `outcome.ts`. */
function bySignal(signal: number, said: string): Cause {
  return { kind: "failed", exitCode: null, said, signal };
}

function byReason(drv: string, reason: string, rest: string): Finding | null {
  const code = /builder failed with exit code ([0-9]+)/u.exec(reason)?.[1];
  if (code !== undefined) return { drv, cause: { kind: "failed", exitCode: Number(code) } };
  const signal = /builder failed due to signal ([0-9]+)/u.exec(reason)?.[1];
  if (signal !== undefined) return { drv, cause: bySignal(Number(signal), reason) };
  if (/dependenc(?:y|ies)/u.test(reason)) return null;
  if (/silence/u.test(reason)) return { drv, cause: { kind: "silent" } };
  if (/timed out/u.test(reason)) return { drv, cause: { kind: "timed-out" } };
  if (/system|feature|platform/u.test(reason))
    return { drv, cause: { kind: "no-runner", missing: lacking(rest) } };
  return { drv, cause: { kind: "failed", exitCode: null, said: reason } };
}

function missing([
  ,
  system = "",
  features = "",
  drv = "",
  ownSystem = "",
  ownFeatures = "",
]: RegExpExecArray): Finding {
  const own = new Set(words(ownFeatures));
  const lacks = words(features)
    .filter((feature) => !own.has(feature))
    .map((feature) => `feature ${feature}`);
  return {
    drv,
    cause: {
      kind: "no-runner",
      missing:
        lacks.length > 0 ? lacks : [`system ${system === ownSystem ? "or feature" : system}`],
    },
  };
}

/**
 * `Required system: 'aarch64-linux' with features {kvm}` and `Current system: …` on lines of their own; or, of 2.34,
 * `Required features: {kvm}` and `Available features: {…}`.
 */
function lacking(rest: string): string[] {
  const line = (name: string): RegExpExecArray | null =>
    new RegExp(
      `${name} system: '?([a-z0-9_]+-[a-z0-9_]+)'?(?: with features \\{([^}]*)\\})?`,
      "u",
    ).exec(rest);
  const set = (name: string): string =>
    new RegExp(`${name} features: \\{([^}]*)\\}`, "u").exec(rest)?.[1] ?? "";
  const [, system = "", features = set("Required")] = line("Required") ?? [];
  const [, ownSystem = "", ownFeatures = set("Available")] = line("Current") ?? [];
  const own = new Set(words(ownFeatures));
  const lacks = [
    ...(system !== ownSystem ? [`system ${system}`] : []),
    ...words(features)
      .filter((feature) => !own.has(feature))
      .map((feature) => `feature ${feature}`),
  ];
  return lacks.length > 0 ? lacks : ["system or feature"];
}

function words(list: string): string[] {
  return list.split(/[\s,]+/u).filter((word) => word !== "");
}

export const DISK_FULL = /No space left on device|disk full|Disk quota exceeded/u;

function diskFull(finding: Finding | null, message: string): Finding | null {
  return finding?.cause.kind === "failed" && DISK_FULL.test(message)
    ? { drv: finding.drv, cause: { kind: "out-of-disk" } }
    : finding;
}

/** Messages that blame the machinery, not a derivation. */
export function blamesMachinery(message: string): boolean {
  return (
    blamesStore(message) ||
    /some substitutes for the outputs|unable to download|cannot fork|Too many open files|Resource temporarily unavailable|build users are currently in use/u.test(
      message,
    )
  );
}
