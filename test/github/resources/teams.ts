import { notFound, ok } from "../answer.ts";
import type { Handlers } from "../call.ts";

/** Teams of organizations, as far as Apps ask about them. */
export const teams: Handlers = {
  "teams/get-membership-for-user-in-org": (call) => {
    const { org = "", team_slug: slug = "", username = "" } = call.params;
    const organization = call.world.accountByLogin(org);
    const person = call.world.accountByLogin(username);
    const team = organization && call.world.teams.get(`${organization.id}/${slug}`);
    const state = person && team?.get(person.id);
    if (state === undefined) throw notFound();
    return ok({
      url: `${call.world.url}/orgs/${org}/teams/${slug}/memberships/${username}`,
      role: "member",
      state,
    });
  },
};
