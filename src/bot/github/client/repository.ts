import type { Octokit } from "@octokit/rest";

/** How octokit's own methods begin their requests about a repository. */
const NAMED = "/repos/{owner}/{repo}";

/**
 * Requests about a repository go by its id. Names change hands: what is asked or said by a name would be asked of, or
 * said to, whichever repository has it now. GitHub serves below `/repositories/{id}` what it serves below the name, and
 * leads the old names of renamed repositories there itself.
 *
 * @param repository whose every request is; null: they are about none, and one that names a repository is a mistake
 */
export function within(octokit: Octokit, repository: number | null): Octokit {
  octokit.hook.before("request", (options) => {
    if (!options.url.startsWith(NAMED)) return;
    if (repository === null)
      throw new TypeError(`${options.method} ${options.url} says which repository by name alone`);
    options.url = `/repositories/{repository_id}${options.url.slice(NAMED.length)}`;
    options["repository_id"] = repository;
    delete options["owner"];
    delete options["repo"];
  });
  return octokit;
}
