import type { Verdict } from "../../protocol/verdict.ts";
import type { InputToken } from "../../protocol/enrolment.ts";
import type { SourceAccess } from "./access.ts";
import type { Submodule } from "./submodules.ts";

/** Why a host gave nothing, as far as git's, curl's and Nix's words tell. */
export type Reason =
  /** It asks to be left alone for a while. */
  | "limited"
  /** It cannot be reached, or fails by itself. */
  | "unreachable"
  /** The runner's egress list does not have it. */
  | "not-allowed"
  /** It does not say whether there is such a thing to whoever asks like this. */
  | "denied"
  /** It has the repository, not the commit. */
  | "no-such-commit"
  | "other";

const REASONS: readonly (readonly [Reason, RegExp])[] = [
  [
    "not-allowed",
    /not in the runner's egress list|is not a public address|(?:CONNECT|proxy)[^\n]*\b403\b|\b403\b[^\n]*(?:CONNECT|from proxy)/iu,
  ],
  [
    "limited",
    /(?:error:?|status|code)\D{0,12}429\b|too many requests|rate limit|abuse detection|retry-after/iu,
  ],
  [
    "denied",
    /(?:error:?|status|code)\D{0,12}40[134]\b|\(40[134]\)|could not read (?:Username|Password)|Authentication failed|repository[^\n]*not found|terminal prompts disabled|Permission denied \(publickey|Host key verification failed|Invalid username or (?:password|token)/iu,
  ],
  [
    "unreachable",
    /(?:error:?|status|code)\D{0,12}(?:408|5\d\d)\b|resolve host|couldn.t connect|failed to connect|connection (?:refused|reset|timed out)|network is unreachable|timed out|ran over its time limit|no route to host|early EOF|hung up|SSL|TLS|empty reply/iu,
  ],
  // Last: Nix says so too when it could not ask.
  [
    "no-such-commit",
    /not our ref|does not hold it any more|find remote ref|unadvertised object|not a tree object|cannot find Git revision/iu,
  ],
];

export function reasonOf(said: string): Reason {
  return REASONS.find(([, pattern]) => pattern.test(said))?.[0] ?? "other";
}

/** Whether it is none of the change's doing: somebody else's service, for now. */
export function isPassing(reason: Reason): boolean {
  return reason === "limited" || reason === "unreachable";
}

/** What to do about a repository that may be private. `repository` is null where it is on a host that no token is for. */
export function permissionAdvice(repository: string | null, others: InputToken | null): string {
  if (repository === null)
    return "If it is private, the runner's operator can give the fetch step a netrc file or a deploy key for its host (`credentials` of the runner's configuration).";
  const refused = others?.refused.find(
    (one) => one.repository.toLowerCase() === repository.toLowerCase(),
  );
  if (refused !== undefined) return `${repository} is listed under inputs.private: ${refused.why}.`;
  if (others === null || others.token === null)
    return `If it is private: this job has no token for other repositories (a fork's or an untrusted change never has one; else list ${repository} under inputs.private in .github/snowcat.yml of the default branch and install the App on it).`;
  return `If it is private, list ${repository} under inputs.private in .github/snowcat.yml of the default branch, and install the App on it.`;
}

/** The verdict where a submodule could not be fetched. */
export async function explainRefusal(
  { path, url, sha }: Submodule,
  said: string,
  { others, repositoryOf }: SourceAccess,
): Promise<Verdict & { message: string }> {
  const { host } = new URL(url);
  const what = `submodule ${JSON.stringify(path)} (${sha} of ${url})`;
  const reason = reasonOf(said);
  const wrong = (message: string) =>
    ({ kind: "evaluation-error", message: `${what} ${message}`, position: null }) as const;
  switch (reason) {
    case "no-such-commit":
      return wrong(
        `is not there: ${said}. Push the commit, or point the submodule at one that is.`,
      );
    case "denied":
      return wrong(
        `cannot be fetched: ${said}. ${permissionAdvice(repositoryOf(url), await others())}`,
      );
    case "not-allowed":
      return wrong(`cannot be fetched: the runner's egress list does not have ${host}.`);
    case "limited":
    case "unreachable":
    case "other":
      return {
        kind: "infrastructure",
        message: `fetching ${what} from ${host}: ${said}`,
        logTail: "",
      };
  }
}
