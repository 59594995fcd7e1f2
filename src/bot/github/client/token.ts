import type { Octokit } from "@octokit/rest";
import * as z from "zod";

export type Token = { token: string; expiresAt: number };

const Minted = z.object({ token: z.string().min(1), expires_at: z.iso.datetime({ offset: true }) });

/** Repositories that a token opens, contents read-only: one by id, or some of the installation's by name. */
export type Only = { repository: number } | { names: readonly string[] };

/** An installation's token; `only`, for a job, narrows it. `app` speaks for the App. */
export async function mint(app: Octokit, installation: number, only: Only | null): Promise<Token> {
  const permissions = { contents: "read" as const };
  const scope =
    only === null
      ? {}
      : "names" in only
        ? { repositories: [...only.names], permissions }
        : { repository_ids: [only.repository], permissions };
  const { data } = await app.rest.apps.createInstallationAccessToken({
    installation_id: installation,
    ...scope,
  });
  const { token, expires_at: expires } = Minted.parse(data);
  return { token, expiresAt: Date.parse(expires) };
}

/** Whether a token was refused because the installation does not have one of the repositories. */
export function isNotInstalled(error: unknown): boolean {
  return error instanceof Error && "status" in error && error.status === 422;
}
