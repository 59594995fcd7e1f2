import { created, ok, Refused } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { renderIssue, renderLabel } from "../render/issue.ts";
import type { Issue } from "../state.ts";

const issueOf = (call: Call): Issue => call.world.issue(call.repo, numeric(call, "issue_number"));

const labelName = (label: string | { name?: string }): string =>
  typeof label === "string" ? label : (label.name ?? "");

export const issues: Handlers = {
  "issues/list-for-repo": (call) => {
    const { world, repo, query } = call;
    const state = query["state"] ?? "open";
    const all = world
      .issuesOf(repo)
      .filter((one) => state === "all" || one.state === state)
      .reverse();
    return page(call, all, (one) => renderIssue(world, repo, one));
  },

  "issues/get": (call) => ok(renderIssue(call.world, call.repo, issueOf(call))),

  "issues/create": (call) => {
    const { world, repo } = call;
    const body = call.body as {
      title: string | number;
      body?: string;
      labels?: (string | { name?: string })[];
    };
    const issue: Issue = {
      id: world.nextId(),
      number: repo.nextNumber++,
      repoId: repo.id,
      userId: authorOf(world, call.actor).id,
      title: String(body.title),
      body: body.body ?? null,
      state: "open",
      labels: (body.labels ?? []).map((label) => ({ id: world.nextId(), name: labelName(label) })),
      createdAt: world.stamp(),
      updatedAt: world.stamp(),
      closedAt: null,
      pull: null,
    };
    world.issues.set(issue.id, issue);
    return created(renderIssue(world, repo, issue));
  },

  "issues/update": (call) => {
    const { world, repo } = call;
    const issue = issueOf(call);
    if (issue.pull)
      throw new Refused(501, "The double changes pull requests through pulls/update only");
    const body = (call.body ?? {}) as {
      title?: string;
      body?: string | null;
      state?: "open" | "closed";
    };
    issue.title = body.title ?? issue.title;
    if (body.body !== undefined) issue.body = body.body;
    issue.state = body.state ?? issue.state;
    issue.closedAt = issue.state === "closed" ? (issue.closedAt ?? world.stamp()) : null;
    issue.updatedAt = world.stamp();
    return ok(renderIssue(world, repo, issue));
  },

  "issues/list-labels-on-issue": (call) =>
    page(call, issueOf(call).labels, (label) => renderLabel(call.world, call.repo, label)),

  "issues/add-labels": (call) => {
    const { world, repo } = call;
    const issue = issueOf(call);
    const body = (call.body ?? {}) as
      | { labels?: (string | { name?: string })[] }
      | (string | { name?: string })[];
    const names = (Array.isArray(body) ? body : (body.labels ?? [])).map(labelName);
    for (const name of names) {
      if (!issue.labels.some((label) => label.name.toLowerCase() === name.toLowerCase()))
        issue.labels.push({ id: world.nextId(), name });
    }
    return ok(issue.labels.map((label) => renderLabel(world, repo, label)));
  },
};
