import { Refused, created, invalid, noContent, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { atLeast } from "../permissions.ts";
import { renderComment, renderIssue } from "../render/issue.ts";
import type { Account, Comment, Repository } from "../state.ts";
import type { World } from "../world.ts";

/** GitHub refuses longer bodies. */
const longest = 65_536;

function checked(body: string): string {
  if (body.trim() === "") throw invalid("Body can't be blank");
  if (body.length > longest) throw invalid(`Body is too long (maximum is ${longest} characters)`);
  return body;
}

export function addComment(
  world: World,
  repo: Repository,
  number: number,
  author: Account,
  body: string,
  appId: number | null = null,
): Comment {
  const issue = world.issue(repo, number);
  const comment: Comment = {
    id: world.nextId(),
    repoId: repo.id,
    issueNumber: number,
    userId: author.id,
    appId,
    body: checked(body),
    createdAt: world.stamp(),
    updatedAt: world.stamp(),
    bornAt: world.requests,
  };
  world.comments.set(comment.id, comment);
  issue.updatedAt = world.stamp();
  emit(world, repo, comment, "created", author);
  return comment;
}

export function editComment(
  world: World,
  repo: Repository,
  comment: Comment,
  editor: Account,
  body: string,
): void {
  const from = comment.body;
  comment.body = checked(body);
  comment.updatedAt = world.stamp();
  emit(world, repo, comment, "edited", editor, { changes: { body: { from } } });
}

export function deleteComment(world: World, repo: Repository, comment: Comment, by: Account): void {
  // The event still shows what is being deleted.
  emit(world, repo, comment, "deleted", by);
  world.comments.delete(comment.id);
}

function emit(
  world: World,
  repo: Repository,
  comment: Comment,
  action: string,
  sender: Account,
  extra: Record<string, unknown> = {},
): void {
  const issue = renderIssue(world, repo, world.issue(repo, comment.issueNumber));
  world.hooks.emit(repo, {
    event: "issue_comment",
    action,
    payload: { ...extra, issue, comment: renderComment(world, repo, comment) },
    sender,
  });
}

function commentOf(call: Call): Comment {
  const found = call.world.comments.get(numeric(call, "comment_id"));
  if (!found || found.repoId !== call.repo.id) throw notFound();
  return found;
}

/** Apps touch their own comments, or any with write access; people their own, or any from triage up. */
function mustOwn(call: Call, comment: Comment): void {
  const author = authorOf(call.world, call.actor);
  if (comment.userId === author.id || call.actor.kind === "installation") return;
  if (!atLeast(call.world.roleOf(author, call.repo), "write"))
    throw new Refused(403, "Must have the required rights to Repository.");
}

export const comments: Handlers = {
  "issues/list-comments": (call) => {
    const { world, repo, query } = call;
    const issue = world.issue(repo, numeric(call, "issue_number"));
    const since = query["since"] === undefined ? 0 : Date.parse(String(query["since"]));
    const all = [...world.comments.values()].filter(
      (one) =>
        one.repoId === repo.id &&
        one.issueNumber === issue.number &&
        world.listed(one) &&
        Date.parse(one.updatedAt) >= since,
    );
    return page(call, all, (one) => renderComment(world, repo, one));
  },

  "issues/get-comment": (call) => ok(renderComment(call.world, call.repo, commentOf(call))),

  "issues/create-comment": (call) => {
    const appId = call.actor.kind === "installation" ? call.actor.app.id : null;
    const { body } = call.body as { body: string };
    const comment = addComment(
      call.world,
      call.repo,
      numeric(call, "issue_number"),
      authorOf(call.world, call.actor),
      body,
      appId,
    );
    return created(renderComment(call.world, call.repo, comment));
  },

  "issues/update-comment": (call) => {
    const comment = commentOf(call);
    mustOwn(call, comment);
    editComment(
      call.world,
      call.repo,
      comment,
      authorOf(call.world, call.actor),
      (call.body as { body: string }).body,
    );
    return ok(renderComment(call.world, call.repo, comment));
  },

  "issues/delete-comment": (call) => {
    const comment = commentOf(call);
    mustOwn(call, comment);
    deleteComment(call.world, call.repo, comment, authorOf(call.world, call.actor));
    return noContent();
  },
};
