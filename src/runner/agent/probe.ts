import { constants } from "node:fs";
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
