import * as z from "zod";

/** A node's profile as deploy-rs would take it: serokell/deploy-rs@d5eff7f9 src/data.rs, src/lib.rs (`make_deploy_data`). */

const SYSTEM_PROFILE = "/nix/var/nix/profiles/system";

/** What a profile does not say its node says, and what that does not say either is said for all. */
const Said = z.object({
  path: z.string(),
  profilePath: z.string().nullable(),
  user: z.string().nullable(),
  remoteBuild: z.boolean(),
});
export type Said = z.infer<typeof Said>;

/** Nix: of `deploy`. Names are of a closed alphabet. */
export function saidBy(node: string, profile: string): string {
  return `deploy:
  let
    node = deploy.nodes."${node}";
    profile = node.profiles."${profile}";
    of = name: other: profile.\${name} or node.\${name} or deploy.\${name} or other;
  in {
    path = "\${profile.path}";
    profilePath = profile.profilePath or null;
    user = of "user" null;
    remoteBuild = of "remoteBuild" false;
  }`;
}

export function readSaid(json: string): Said | null {
  try {
    const read = Said.safeParse(JSON.parse(json));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}

/**
 * Why it cannot be deployed so; null where it can.
 * @param login as whom the runner logs in: who owns the profile where nobody else is named.
 */
export function objectionTo(
  { profilePath, user, remoteBuild }: Said,
  profile: string,
  login: string,
): string | null {
  if (remoteBuild)
    return "the node asks to be built on the machine (`remoteBuild`), which no option of deploy-rs takes back: what was approved was built here";
  const owner = user ?? login;
  const path = profilePath ?? (profile === "system" && owner === "root" ? SYSTEM_PROFILE : null);
  return path === SYSTEM_PROFILE
    ? null
    : `profile ${profile} of ${owner} is not the machine's system profile (${SYSTEM_PROFILE})`;
}
