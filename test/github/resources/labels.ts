import { Refused, created, invalid, noContent, notFound, ok } from "../answer.ts";
import { authorOf } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { emitPull } from "../pushes.ts";
import { renderIssue, renderLabel } from "../render/issue.ts";
import type { Account, Issue, Repository } from "../state.ts";
import type { World } from "../world.ts";

/** Labels of issues and pull requests. GitHub makes a label that does not exist yet when it is first put on. */

export type LabelInput = string | { name?: string };

export const labelName = (label: LabelInput): string =>
  typeof label === "string" ? label : (label.name ?? "");

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** The repository's label of that name, made where there is none. */
export function labelNamed(world: World, repo: Repository, name: string): Issue["labels"][number] {
  if (name.trim() === "" || name.length > 50) throw invalid("A label has 1 to 50 characters");
  const known = repo.labels.find((one) => same(one.name, name));
  if (known) return known;
  const made = { id: world.nextId(), name };
  repo.labels.push(made);
  return made;
}

/** `pull_request` or `issues`, whichever it is. */
export async function emitIssue(
  world: World,
  issue: Issue,
  action: string,
  extra: Record<string, unknown>,
  sender: Account,
): Promise<void> {
  if (issue.pull) return emitPull(world, issue.id, action, extra, sender);
  const repo = world.repository(issue.repoId);
  world.hooks.emit(repo, {
    event: "issues",
    action,
    payload: { ...extra, issue: { ...renderIssue(world, repo, issue), draft: false } },
    sender,
  });
}

/** Makes these the issue's labels; one event for each that came or went. */
export async function relabel(call: Call, issue: Issue, names: string[]): Promise<void> {
  const { world, repo } = call;
  const sender = authorOf(world, call.actor);
  const wanted = [...new Set(names.map((name) => labelNamed(world, repo, name)))];
  const before = issue.labels;
  issue.labels = wanted;
  issue.updatedAt = world.stamp();
  const tell = async (action: string, labels: Issue["labels"]): Promise<void> => {
    for (const label of labels)
      await emitIssue(world, issue, action, { label: renderLabel(world, repo, label) }, sender);
  };
  await tell(
    "unlabeled",
    before.filter((one) => !wanted.includes(one)),
  );
  await tell(
    "labeled",
    wanted.filter((one) => !before.includes(one)),
  );
}

const issueOf = (call: Call): Issue => call.world.issue(call.repo, numeric(call, "issue_number"));

function namesOf(call: Call): string[] {
  const body = (call.body ?? []) as { labels?: LabelInput[] } | LabelInput[];
  return (Array.isArray(body) ? body : (body.labels ?? [])).map(labelName);
}

const shown = (call: Call) =>
  ok(issueOf(call).labels.map((label) => renderLabel(call.world, call.repo, label)));

export const labels: Handlers = {
  "issues/list-labels-for-repo": (call) =>
    page(call, call.repo.labels, (label) => renderLabel(call.world, call.repo, label)),

  "issues/create-label": (call) => {
    const { name } = call.body as { name: string };
    if (call.repo.labels.some((one) => same(one.name, name)))
      throw new Refused(422, "Validation Failed", {
        errors: [{ resource: "Label", code: "already_exists", field: "name" }],
      });
    return created(renderLabel(call.world, call.repo, labelNamed(call.world, call.repo, name)));
  },

  "issues/list-labels-on-issue": (call) =>
    page(call, issueOf(call).labels, (label) => renderLabel(call.world, call.repo, label)),

  "issues/add-labels": async (call) => {
    const had = issueOf(call).labels.map((one) => one.name);
    await relabel(call, issueOf(call), [...had, ...namesOf(call)]);
    return shown(call);
  },

  "issues/set-labels": async (call) => {
    await relabel(call, issueOf(call), namesOf(call));
    return shown(call);
  },

  "issues/remove-label": async (call) => {
    const issue = issueOf(call);
    const left = issue.labels.filter((one) => !same(one.name, call.params["name"] ?? ""));
    if (left.length === issue.labels.length) throw new Refused(404, "Label does not exist");
    await relabel(
      call,
      issue,
      left.map((one) => one.name),
    );
    return shown(call);
  },

  "issues/remove-all-labels": async (call) => {
    await relabel(call, issueOf(call), []);
    return noContent();
  },

  "issues/get-label": (call) => {
    const found = call.repo.labels.find((one) => same(one.name, call.params["name"] ?? ""));
    if (!found) throw notFound();
    return ok(renderLabel(call.world, call.repo, found));
  },
};
