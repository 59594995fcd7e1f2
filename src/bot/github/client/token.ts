import type { Octokit } from "@octokit/rest";
import * as z from "zod";

export type Token = { token: string; expiresAt: number };

const Minted = z.object({ token: z.string().min(1), expires_at: z.iso.datetime({ offset: true }) });

/** An installation's token. `only`: one repository, contents read-only, for a job. `app` speaks for the App. */
export async function mint(
  app: Octokit,
  installation: number,
  only: { repository: number } | null,
): Promise<Token> {
  const scope =
    only === null
      ? {}
      : { repository_ids: [only.repository], permissions: { contents: "read" as const } };
  const { data } = await app.rest.apps.createInstallationAccessToken({
    installation_id: installation,
    ...scope,
  });
  const { token, expires_at: expires } = Minted.parse(data);
  return { token, expiresAt: Date.parse(expires) };
}
