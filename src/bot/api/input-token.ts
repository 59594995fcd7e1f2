import { privateInputs } from "../../core/config/inputs.ts";
import { readConfiguration } from "../../core/config/read.ts";
import type { InputToken } from "../../protocol/enrolment.ts";
import type { AttemptClaims } from "../channel/index.ts";
import type { Environment } from "../environment.ts";
import { type HeldJob, objectName } from "../objects/contracts.ts";

const NONE: InputToken = { token: null, expiresAt: 0, repositories: [], refused: [] };

/**
 * The token for what the default branch lists under `inputs.private`, read now. What an untrusted change could do with it
 * is its author's choice, so that pool gets none.
 *
 * @returns the reason for people where the default branch's configuration cannot be read.
 */
export async function inputToken(
  env: Environment,
  { host, account }: Pick<AttemptClaims, "host" | "account">,
  { installation, repository, pool }: HeldJob,
): Promise<{ ok: true; token: InputToken } | { ok: false; why: string }> {
  if (pool === "untrusted") return { ok: true, token: NONE };
  const repo = env.REPO.getByName(objectName.repo(host, repository.id));
  const policy = await repo.policy({
    host,
    account: { id: account, login: repository.owner },
    installation,
    repository,
  });
  if (!policy.ok)
    return { ok: false, why: policy.missing ? "the repository is gone" : policy.reason };
  const read = readConfiguration(policy.value.text);
  const listed = read.ok ? (read.configuration.inputs?.private ?? []) : [];
  const { owner, name } = repository;
  const { names, refused } = privateInputs(listed, owner);
  if (names.length === 0) return { ok: true, token: { ...NONE, refused: [...refused] } };
  const writer = env.WRITER.getByName(objectName.writer(host, installation));
  const { token, opened, notInstalled } = await writer.inputToken(name, names);
  return {
    ok: true,
    token: {
      token: token?.token ?? null,
      expiresAt: token?.expiresAt ?? 0,
      repositories: token === null ? [] : [...opened, name].map((one) => `${owner}/${one}`),
      refused: [
        ...refused,
        ...notInstalled.map((one) => ({
          repository: `${owner}/${one}`,
          why: "the App is not installed on it, or it does not exist",
        })),
      ],
    },
  };
}
