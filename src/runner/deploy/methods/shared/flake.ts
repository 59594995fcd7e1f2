import type { MethodEnd, MethodPlace } from "../method.ts";

/** Nix, where its configuration does not say that it may be used so. */
export const NIX = ["nix", "--extra-experimental-features", "nix-command flakes"] as const;

/** The folder of a tool's `flake.nix` within the checkout. */
export function folderOf({
  tree,
  tool,
}: {
  tree: string;
  tool: { readonly directory: string };
}): string {
  return tool.directory === "." ? tree : `${tree}/${tool.directory}`;
}

/** A folder that tools would read as more than a folder: they hand it to Nix as the beginning of a flake's address. */
export function plainFolder(folder: string): MethodEnd {
  return /[#?%:@\\"'`$\s]/u.test(folder)
    ? {
        kind: "failed",
        why: `the folder ${JSON.stringify(folder)} cannot be given to the tool: it would read a part of it as something else`,
      }
    : { kind: "done" };
}

/** Whether what the tool would deploy is what was approved. */
export function compared(
  { system }: Pick<MethodPlace, "system">,
  found: string,
  tool: string,
  hint: string,
): MethodEnd {
  if (found === system) return { kind: "done" };
  return {
    kind: "failed",
    why: `${tool} would deploy ${found === "" ? "nothing" : found}, and ${system ?? "no system"} was approved: ${hint}. A flake that reads its revision or its time (\`self.rev\`, \`self.lastModified\`) is another system in each copy of its tree`,
  };
}

/** A host as addresses of stores and machines have it. */
export function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
