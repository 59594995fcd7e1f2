import { Refused, created, invalid, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { atLeast } from "../permissions.ts";
import { renderIssue } from "../render/issue.ts";
import type { Issue } from "../state.ts";
import { emitIssue, labelName, labelNamed, relabel } from "./labels.ts";
import type { LabelInput } from "./labels.ts";
import { mayEdit, updatePull } from "./pulls.ts";

const issueOf = (call: Call): Issue => call.world.issue(call.repo, numeric(call, "issue_number"));

/** Triage is what labels take; who only reads has them left out in silence, as GitHub does. */
const mayLabel = (call: Call): boolean =>
  call.actor.kind !== "user" || atLeast(call.world.roleOf(call.actor.account, call.repo), "triage");

interface UpdateInput {
  title?: string | number | null;
  body?: string | null;
  state?: "open" | "closed";
  state_reason?: string | null;
  labels?: LabelInput[];
}

async function update(call: Call): Promise<void> {
  const { world } = call;
  const issue = issueOf(call);
  const body = (call.body ?? {}) as UpdateInput;
  const title = body.title === undefined || body.title === null ? undefined : String(body.title);
  if (body.labels && mayLabel(call)) await relabel(call, issue, body.labels.map(labelName));
  if (issue.pull)
    return updatePull(call, issue.number, {
      title,
      body: body.body,
      state: body.state,
    });
  const sender = authorOf(world, call.actor);
  const changes: Record<string, unknown> = {};
  if (title !== undefined && title !== issue.title) {
    changes["title"] = { from: issue.title };
    issue.title = title;
  }
  if (body.body !== undefined && body.body !== issue.body) {
    changes["body"] = { from: issue.body ?? "" };
    issue.body = body.body;
  }
  issue.updatedAt = world.stamp();
  if (Object.keys(changes).length > 0) await emitIssue(world, issue, "edited", { changes }, sender);
  if (body.state === undefined || body.state === issue.state) return;
  issue.state = body.state;
  issue.closedAt = body.state === "closed" ? world.stamp() : null;
  await emitIssue(world, issue, body.state === "closed" ? "closed" : "reopened", {}, sender);
}

export const issues: Handlers = {
  "issues/list-for-repo": (call) => {
    const { world, repo, query } = call;
    const state = query["state"] ?? "open";
    const wanted = String(query["labels"] ?? "")
      .split(",")
      .filter(Boolean);
    const all = world
      .issuesOf(repo)
      .filter((one) => state === "all" || one.state === state)
      .filter((one) => wanted.every((name) => one.labels.some((label) => label.name === name)))
      .toReversed();
    // What changed last comes first there; else the newest.
    if (query["sort"] === "updated")
      all.sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : a.updatedAt > b.updatedAt ? -1 : 0));
    return page(call, all, (one) => renderIssue(world, repo, one));
  },

  "issues/get": (call) => ok(renderIssue(call.world, call.repo, issueOf(call))),

  "issues/create": async (call) => {
    const { world, repo } = call;
    const body = call.body as { title: string | number; body?: string; labels?: LabelInput[] };
    if (String(body.title).trim() === "") throw invalid("title is missing");
    const author = authorOf(world, call.actor);
    const wanted = mayLabel(call) ? (body.labels ?? []) : [];
    const issue: Issue = {
      id: world.nextId(),
      number: repo.nextNumber++,
      repoId: repo.id,
      userId: author.id,
      appId: call.actor.kind === "installation" ? call.actor.app.id : null,
      title: String(body.title),
      body: body.body ?? null,
      state: "open",
      labels: wanted.map((label) => labelNamed(world, repo, labelName(label))),
      createdAt: world.stamp(),
      updatedAt: world.stamp(),
      closedAt: null,
      pull: null,
    };
    world.issues.set(issue.id, issue);
    await emitIssue(world, issue, "opened", {}, author);
    return created(renderIssue(world, repo, issue));
  },

  "issues/update": async (call) => {
    if (!mayEdit(call, issueOf(call)))
      throw new Refused(403, "Must have the required rights to Repository.");
    await call.repo.git.exclusively(() => update(call));
    return ok(renderIssue(call.world, call.repo, issueOf(call)));
  },
};
