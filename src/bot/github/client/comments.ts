import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import type { DesiredComment, DesiredReaction } from "../../objects/contracts.ts";

/** Pages of a pull request's comments that a lookup reads, 100 in each. */
const PAGES = 30;

type Headers = Readonly<Record<string, string | number | undefined>>;
type Made = { shownId: number; headers: Headers };

const Comment = z.object({
  id: z.int().positive(),
  body: z.string().nullish(),
  user: z.object({ type: z.string() }).nullish(),
  performed_via_github_app: z.object({ id: z.int() }).nullish(),
});

/** Not shown by GitHub. First in the body: what a comment quotes comes after it. */
export function marker(resource: string): string {
  return `<!-- snowcat ${resource} -->`;
}

function text({ resource, body }: DesiredComment): string {
  return `${marker(resource)}\n${body}`;
}

export async function createComment(octokit: Octokit, comment: DesiredComment): Promise<Made> {
  const { owner, name: repo } = comment.repository;
  const answer = await octokit.rest.issues.createComment({
    owner,
    repo,
    issue_number: comment.pull,
    body: text(comment),
  });
  return { shownId: Comment.parse(answer.data).id, headers: answer.headers };
}

export async function updateComment(
  octokit: Octokit,
  shownId: number,
  comment: DesiredComment,
): Promise<Made> {
  const { owner, name: repo } = comment.repository;
  const answer = await octokit.rest.issues.updateComment({
    owner,
    repo,
    comment_id: shownId,
    body: text(comment),
  });
  return { shownId, headers: answer.headers };
}

/**
 * By its id where that is known, else the oldest that begins with the marker and that our App itself wrote: anybody may
 * copy the marker, and an App may also speak in a person's name.
 */
export async function findComment(
  octokit: Octokit,
  app: number,
  shownId: number | null,
  { repository: { owner, name: repo }, pull, resource }: DesiredComment,
): Promise<number | null> {
  if (shownId !== null) {
    const { data } = await octokit.rest.issues.getComment({ owner, repo, comment_id: shownId });
    return Comment.parse(data).id;
  }
  const begins = `${marker(resource)}\n`;
  for (let page = 1; page <= PAGES; page += 1) {
    const { data } = await octokit.rest.issues.listComments({
      owner,
      repo,
      issue_number: pull,
      per_page: 100,
      page,
    });
    const comments = z.array(Comment).parse(data);
    const found = comments.find(
      (one) =>
        one.performed_via_github_app?.id === app &&
        one.user?.type === "Bot" &&
        (one.body ?? "").replaceAll("\r\n", "\n").startsWith(begins),
    );
    if (found !== undefined) return found.id;
    if (comments.length < 100) return null;
  }
  return null;
}

const Reaction = z.object({ id: z.int().positive() });

/** Answered with the one that is there where we reacted so before. */
export async function react(
  octokit: Octokit,
  { repository: { owner, name: repo }, comment, content }: DesiredReaction,
): Promise<Made> {
  const answer = await octokit.rest.reactions.createForIssueComment({
    owner,
    repo,
    comment_id: comment,
    content,
  });
  return { shownId: Reaction.parse(answer.data).id, headers: answer.headers };
}
