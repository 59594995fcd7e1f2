import type { Octokit } from "@octokit/rest";
import * as z from "zod";
import type { DesiredCheck } from "../../objects/contracts.ts";

/** Annotations in one request. */
export const ANNOTATIONS = 50;
/** Pages of a commit's check runs that a lookup reads, 100 in each: GitHub keeps 1,000 of one name. */
const PAGES = 10;

const CheckRun = z.object({
  id: z.int().positive(),
  external_id: z.string().nullish(),
  output: z.object({ annotations_count: z.int().nonnegative().catch(0) }).optional(),
});
export type Shown = { shownId: number; annotated: number };

/** Creates the check run with its first annotations. */
export async function createCheck(
  octokit: Octokit,
  check: DesiredCheck,
): Promise<Shown & { headers: Headers }> {
  const { owner, name: repo } = check.repository;
  const sent = check.annotations.slice(0, ANNOTATIONS);
  const answer = await octokit.rest.checks.create({
    owner,
    repo,
    name: check.name,
    head_sha: check.head,
    external_id: check.resource,
    ...content(check, sent),
  });
  return {
    shownId: CheckRun.parse(answer.data).id,
    annotated: sent.length,
    headers: answer.headers,
  };
}

/** Brings it up to date; annotations are added to what it has, so only the next ones go along. */
export async function updateCheck(
  octokit: Octokit,
  checkRun: number,
  check: DesiredCheck,
  annotated: number,
): Promise<Shown & { headers: Headers }> {
  const { owner, name: repo } = check.repository;
  const sent = check.annotations.slice(annotated, annotated + ANNOTATIONS);
  const answer = await octokit.rest.checks.update({
    owner,
    repo,
    check_run_id: checkRun,
    external_id: check.resource,
    ...content(check, sent),
  });
  return { shownId: checkRun, annotated: annotated + sent.length, headers: answer.headers };
}

/** Looks for it: by its id where that is known, else among the commit's by name and App, told apart by `external_id`. */
export async function findCheck(
  octokit: Octokit,
  app: number,
  checkRun: number | null,
  check: DesiredCheck,
): Promise<Shown | null> {
  const { owner, name: repo } = check.repository;
  if (checkRun !== null) {
    const { data } = await octokit.rest.checks.get({ owner, repo, check_run_id: checkRun });
    return shown(CheckRun.parse(data));
  }
  for (let page = 1; page <= PAGES; page += 1) {
    const { data } = await octokit.rest.checks.listForRef({
      owner,
      repo,
      ref: check.head,
      check_name: check.name,
      app_id: app,
      filter: "all",
      per_page: 100,
      page,
    });
    const { check_runs: runs } = z.object({ check_runs: z.array(CheckRun) }).parse(data);
    const found = runs.find(({ external_id: id }) => id === check.resource);
    if (found) return shown(found);
    if (runs.length < 100) return null;
  }
  return null;
}

type Headers = Readonly<Record<string, string | number | undefined>>;

function shown(run: z.infer<typeof CheckRun>): Shown {
  return { shownId: run.id, annotated: run.output?.annotations_count ?? 0 };
}

function content(check: DesiredCheck, annotations: DesiredCheck["annotations"]) {
  const completed = check.status === "completed" && check.conclusion !== null;
  return {
    details_url: check.detailsUrl,
    started_at: new Date(check.startedAt).toISOString(),
    ...(completed
      ? {
          status: "completed" as const,
          conclusion: check.conclusion ?? undefined,
          completed_at: new Date(check.completedAt ?? check.startedAt).toISOString(),
        }
      : { status: check.status === "queued" ? ("queued" as const) : ("in_progress" as const) }),
    output: {
      title: check.title,
      summary: check.summary,
      ...(check.text === null ? {} : { text: check.text }),
      ...(annotations.length > 0 ? { annotations } : {}),
    },
    actions: check.actions,
  };
}
