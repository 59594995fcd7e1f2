import { constants } from "node:fs";
import type { Isolation } from "../isolation/index.ts";
import { access } from "node:fs/promises";

/** Systems of this machine, as Nix calls them. */
export function probeSystems(): string[] {
  const architecture = { x64: "x86_64", arm64: "aarch64", ia32: "i686" }[process.arch as string];
  if (architecture === undefined || process.platform !== "linux") {
    throw new Error(
      `this agent does not know Nix's name of ${process.arch} ${process.platform}: set "systems" in its configuration`,
    );
  }
  return [`${architecture}-linux`];
}

/** Features that Nix gives itself by default; `kvm` only where it can be used. */
export async function probeFeatures(): Promise<string[]> {
  const kvm = await access("/dev/kvm", constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  return ["benchmark", "big-parallel", ...(kvm ? ["kvm"] : []), "nixos-test"];
}

/** What evaluates in this runner's jobs, with its version; null where it does not say. */
export async function probeEvaluator(isolation: Isolation): Promise<string | null> {
  const names = await Promise.all(
    (["nix", "nix-eval-jobs"] as const).map(async (program) => {
      const { exitCode, stdout } = await isolation.run({
        argv: [program, "--version"],
        timeoutMs: 60_000,
      });
      const [line = ""] = new TextDecoder().decode(stdout).split("\n");
      return exitCode === 0 ? line.trim() : "";
    }),
  );
  const found = names.filter((name) => name !== "").join(", ");
  return found === "" ? null : found.slice(0, 256);
}
