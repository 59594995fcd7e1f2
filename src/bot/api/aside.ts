import type { Environment } from "../environment.ts";
import { allowedAccounts } from "../github/allowed.ts";
import { objectName } from "../objects/contracts.ts";

/** Deliveries that could not be handled: how many, and in which objects. `unasked` repositories were not looked at. */
export type Aside = {
  total: number;
  accounts: Record<string, number>;
  repositories: Record<string, number>;
  unasked: number;
};

/** Repositories of one account that are asked; each is a request. */
const MOST = 200;
/** Asked at once. */
const AT_ONCE = 16;

/** Asks the objects themselves: nothing else knows, and nobody has to keep it up to date. */
export async function aside(env: Environment): Promise<Aside> {
  const found: Aside = { total: 0, accounts: {}, repositories: {}, unasked: 0 };
  for (const id of allowedAccounts(env.ALLOWED_ACCOUNTS)) {
    const account = env.ACCOUNT.getByName(objectName.account(env.GITHUB_HOST, id));
    note(found, found.accounts, id, await account.setAside());
    const repositories = await account.repositories();
    found.unasked += Math.max(0, repositories.length - MOST);
    for (let at = 0; at < Math.min(MOST, repositories.length); at += AT_ONCE) {
      await Promise.all(
        repositories.slice(at, Math.min(MOST, at + AT_ONCE)).map(async (repository) => {
          const object = env.REPO.getByName(objectName.repo(env.GITHUB_HOST, repository.id));
          note(found, found.repositories, repository.id, await object.setAside());
        }),
      );
    }
  }
  return found;
}

function note(found: Aside, where: Record<string, number>, id: number, count: number): void {
  if (count === 0) return;
  found.total += count;
  where[id] = count;
}
