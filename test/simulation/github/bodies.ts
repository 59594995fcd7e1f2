import type { CheckRun, Repository } from "./truth.ts";

export type Answer = { status: number; body: unknown; headers?: Record<string, string> };

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
