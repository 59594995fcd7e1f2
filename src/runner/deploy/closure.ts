import type { DeployWork } from "../../protocol/machine.ts";
import type { Manifests } from "../agent/manifests.ts";
import { type BootFile, bootFiles } from "./engine/space.ts";
import { checkManifest } from "./manifest.ts";
import type { ManifestPath } from "../../protocol/machine.ts";
import type { Speaker } from "./policy/judge.ts";
import type { DeployPolicy } from "./policy/policy.ts";

/** A closure that a listed builder signed for the machine. */
export type Closure = {
  text: string;
  paths: readonly ManifestPath[];
  boot: readonly BootFile[];
};

export type Brought =
  | { kind: "closure"; manifest: Closure | null }
  | { kind: "refused"; why: string }
  /** It is not in this runner's store, and could not be brought there. */
  | { kind: "absent"; why: string };

/** What is to be brought: nothing, where the machine goes back to what it has, or builds by itself. */
export async function closureOf(
  { action, sha, machine }: DeployWork,
  { host, repository }: Speaker,
  { builders }: DeployPolicy,
  manifests: Pick<Manifests, "get">,
  bring: (system: string) => Promise<string | null>,
): Promise<Brought> {
  if (action.kind !== "system") return { kind: "closure", manifest: null };
  const { manifest: head, system } = action;
  if (head.system !== system)
    return { kind: "refused", why: "the manifest is refused: it is for another system" };
  const text = await manifests.get(head.digest);
  const checked = checkManifest(
    head,
    text,
    { host, repository, sha, machine: machine.name },
    builders.map(({ key }) => key),
  );
  if (checked.kind === "refused") return checked;
  // Only what a listed builder vouches for is fetched.
  const absent = await bring(system);
  if (absent !== null) return { kind: "absent", why: absent };
  return {
    kind: "closure",
    manifest: { text, paths: checked.paths, boot: await bootFiles(system) },
  };
}
