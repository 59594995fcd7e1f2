import type { Octokit } from "@octokit/rest";
import * as z from "zod";

const Membership = z.object({ state: z.enum(["active", "pending"]) });

/** Whether the person is an active member of the team, directly or by a team below it. @throws 404 where not at all. */
export async function isActive(
  octokit: Octokit,
  organization: string,
  team: string,
  login: string,
): Promise<boolean> {
  const { data } = await octokit.rest.teams.getMembershipForUserInOrg({
    org: organization,
    team_slug: team,
    username: login,
  });
  return Membership.parse(data).state === "active";
}
