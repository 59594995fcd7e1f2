import type { CheckRun, Commit, Repository } from "./truth.ts";

export type Answer = { status: number; body: unknown; headers?: Record<string, string> };

export const NOT_FOUND: Answer = { status: 404, body: { message: "Not Found" } };

/** The only file that is ever asked for: a commit's configuration. What it declares changes nothing of what is built. */
export function contents(commit: Commit | undefined): Answer {
  if (commit === undefined || commit.declares === null) return NOT_FOUND;
  const text = `tests: { ${commit.declares}: { run: [nix, run] } }\n`;
  return {
    status: 200,
    body: {
      type: "file",
      path: ".github/snowcat.yml",
      encoding: "base64",
      content: Buffer.from(text).toString("base64"),
    },
  };
}

export function repositoryBody({ id, name, owner, defaultBranch }: Repository) {
  return { id, name, owner: { ...owner }, private: false, default_branch: defaultBranch };
}

export function checkBody({
  id,
  name,
  head,
  externalId,
  status,
  conclusion,
  annotations,
  output,
}: CheckRun) {
  return {
    id,
    name,
    head_sha: head,
    external_id: externalId,
    status,
    conclusion,
    output: { ...output, annotations_count: annotations },
  };
}

export function commentBody({ id, body }: { id: number; body: string }) {
  return {
    id,
    body,
    user: { login: "snowcat[bot]", type: "Bot" },
    performed_via_github_app: { id: 1 },
  };
}

export function json({ status, body, headers }: Answer): Response {
  return new Response(status === 204 ? null : JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
  });
}
