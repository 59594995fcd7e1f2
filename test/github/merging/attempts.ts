import type { Octokit } from "@octokit/rest";
import type { Account, GitHub, PullRequest, Repository } from "../index.ts";
import { refusal } from "../fixture.ts";

/** A change that somebody with write wants on `main`, and the pull request for it. */
export type Candidate = {
  readonly github: GitHub;
  readonly repository: Repository;
  readonly person: Account;
  /** The same person, by the API. */
  readonly api: Octokit;
  readonly pull: PullRequest;
  readonly head: string;
  /** A file that only the change has. */
  readonly file: string;
};

const at = ({ repository }: Candidate) => ({ owner: "octo", repo: repository.name });

/** Refusals of branch protection; anything else is not what is tried here. */
async function refused(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const { status, message } = await refusal(Promise.reject(error as Error));
    if (![405, 409, 422].includes(status) || !/required status check/iu.test(message)) throw error;
  }
}

const merge = (how: "merge" | "squash" | "rebase") => (one: Candidate) =>
  refused(one.api.pulls.merge({ ...at(one), pull_number: one.pull.number, merge_method: how }));

/**
 * The ways onto a protected branch for somebody with write that go by the checks of the pull request's head. Each tries,
 * and says nothing: what `main` has afterwards counts.
 */
export const BY_HEAD = {
  "merge button": merge("merge"),
  "squash and merge": merge("squash"),
  "rebase and merge": merge("rebase"),
  "moving the branch": (one: Candidate) =>
    refused(one.api.git.updateRef({ ...at(one), ref: "heads/main", sha: one.head })),
  "forcing the branch": (one: Candidate) =>
    refused(one.api.git.updateRef({ ...at(one), ref: "heads/main", sha: one.head, force: true })),
} as const;

/** The ways that make a commit of their own, which no check of the head speaks for. */
export const BY_ANOTHER_COMMIT = {
  "merging branches": (one: Candidate) =>
    refused(one.api.repos.merge({ ...at(one), base: "main", head: one.pull.pull.head.ref })),
  "writing the file": (one: Candidate) =>
    refused(
      one.api.repos.createOrUpdateFileContents({
        ...at(one),
        path: one.file,
        message: "straight to main",
        content: "",
      }),
    ),
} as const;

/** Puts it in the queue, lets `check` report on the group's head, and lets the queue conclude. */
export async function byQueue(
  { github, repository, person, pull }: Candidate,
  check: (sha: string) => Promise<void>,
): Promise<void> {
  const group = await github.enqueue(person, repository, pull.number);
  await check(group.headSha);
  await group.conclude();
}

/** Whether `main` has the change now. */
export async function entered(one: Candidate): Promise<boolean> {
  try {
    await one.api.repos.getContent({ ...at(one), path: one.file, ref: "main" });
    return true;
  } catch (error) {
    if ((error as { status?: number }).status === 404) return false;
    throw error;
  }
}
