import { Refused, created, noContent, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handler, Handlers } from "../call.ts";
import { renderReaction } from "../render/issue.ts";
import type { Reaction, ReactionContent } from "../state.ts";

/** Reactions to comments, issues and pull requests. GitHub sends no webhook about them. */

type Subject = (call: Call) => number;

const ofComment: Subject = (call) => {
  const found = call.world.comments.get(numeric(call, "comment_id"));
  if (!found || found.repoId !== call.repo.id) throw notFound();
  return found.id;
};
const ofIssue: Subject = (call) => call.world.issue(call.repo, numeric(call, "issue_number")).id;

const list =
  (subject: Subject): Handler =>
  (call) => {
    const id = subject(call);
    const wanted = call.query["content"];
    const all = [...call.world.reactions.values()].filter(
      (one) => one.subjectId === id && (wanted === undefined || one.content === wanted),
    );
    return page(call, all, (one) => renderReaction(call.world, one));
  };

const create =
  (subject: Subject): Handler =>
  (call) => {
    const { world } = call;
    const subjectId = subject(call);
    const userId = authorOf(world, call.actor).id;
    const { content } = call.body as { content: ReactionContent };
    const same = [...world.reactions.values()].find(
      (one) => one.subjectId === subjectId && one.userId === userId && one.content === content,
    );
    if (same) return ok(renderReaction(world, same));
    const id = world.nextId();
    const reaction: Reaction = { id, subjectId, userId, content, createdAt: world.stamp() };
    world.reactions.set(id, reaction);
    return created(renderReaction(world, reaction));
  };

const remove =
  (subject: Subject): Handler =>
  (call) => {
    const found = call.world.reactions.get(numeric(call, "reaction_id"));
    if (!found || found.subjectId !== subject(call)) throw notFound();
    if (found.userId !== authorOf(call.world, call.actor).id) throw new Refused(403, "Forbidden");
    call.world.reactions.delete(found.id);
    return noContent();
  };

export const reactions: Handlers = {
  "reactions/list-for-issue-comment": list(ofComment),
  "reactions/create-for-issue-comment": create(ofComment),
  "reactions/delete-for-issue-comment": remove(ofComment),
  "reactions/list-for-issue": list(ofIssue),
  "reactions/create-for-issue": create(ofIssue),
  "reactions/delete-for-issue": remove(ofIssue),
};
