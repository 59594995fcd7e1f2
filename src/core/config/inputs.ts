import * as z from "zod";

/** `owner/name` on GitHub; never a flag, never a path. */
const RepositoryName = z
  .string()
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/u,
    "must be owner/name",
  );

/** What a run's fetch step may read beside the repository itself. Only the default branch's counts. */
export const Inputs = z.strictObject({
  private: z
    .array(RepositoryName)
    .max(32)
    .optional()
    .describe(
      "Private repositories of the same account that flakes here have as inputs or submodules. The App must be installed on them; forks and untrusted changes never get them.",
    ),
});

/** What may be minted for, and what may not, and why. */
export interface PrivateInputs {
  /** Names of repositories of the account. */
  readonly names: readonly string[];
  readonly refused: readonly { readonly repository: string; readonly why: string }[];
}

/** Which of the listed repositories a token can be for: an installation's token opens one account's repositories only. */
export function privateInputs(listed: readonly string[], owner: string): PrivateInputs {
  const names = new Map<string, string>();
  const refused: { repository: string; why: string }[] = [];
  for (const repository of listed) {
    const [account = "", name = ""] = repository.split("/");
    if (account.toLowerCase() === owner.toLowerCase()) names.set(name.toLowerCase(), name);
    else
      refused.push({
        repository,
        why: `it belongs to another account than ${owner}, and a token opens one account's repositories only`,
      });
  }
  return { names: [...names.values()], refused };
}
