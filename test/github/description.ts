import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { errata } from "./errata.ts";

/** GitHub's published OpenAPI description (github.com flavour), read once per process; about 0.1 s. */

export type Schema = Record<string, unknown>;

export interface Parameter {
  name: string;
  in: string;
  required: boolean;
  schema: Schema;
}

export interface Operation {
  id: string;
  method: string;
  /** The path template, for example "/repos/{owner}/{repo}". */
  template: string;
  parameters: Parameter[];
  body: { schema: Schema; required: boolean } | null;
  /** status → schema of the JSON answer, null when it has none. */
  responses: Map<number, Schema | null>;
  /** False where GitHub says that no App token works. */
  forApps: boolean;
}

interface RawOperation {
  operationId: string;
  parameters?: ({ $ref?: string } & Partial<Parameter>)[];
  requestBody?: { required?: boolean; content?: Record<string, { schema?: Schema }> };
  responses?: Record<string, { $ref?: string } & { content?: Record<string, { schema?: Schema }> }>;
  "x-github"?: { enabledForGitHubApps?: boolean };
}

interface Description {
  paths: Record<string, Record<string, RawOperation>>;
  "x-webhooks": Record<string, { post: RawOperation }>;
  components: {
    schemas: Record<string, Schema>;
    parameters: Record<string, Parameter>;
    responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
  };
}

const resolve = createRequire(import.meta.url).resolve;
let cached: Description | undefined;

function description(): Description {
  cached ??= JSON.parse(
    readFileSync(resolve("@octokit/openapi/generated/api.github.com.json"), "utf8"),
  ) as Description;
  return cached;
}

const methods = ["get", "post", "put", "patch", "delete"];
let operations: Operation[] | undefined;

export function allOperations(): Operation[] {
  operations ??= Object.entries(description().paths).flatMap(([template, item]) =>
    methods.flatMap((method) => {
      const raw = item[method];
      return raw ? [operationOf(raw, method.toUpperCase(), template)] : [];
    }),
  );
  return operations;
}

function operationOf(raw: RawOperation, method: string, template: string): Operation {
  const { components } = description();
  const last = (ref: string): string => ref.slice(ref.lastIndexOf("/") + 1);
  const json = raw.requestBody?.content?.["application/json"]?.schema;
  return {
    id: raw.operationId,
    method,
    template,
    parameters: (raw.parameters ?? []).map(
      (one) => (one.$ref ? components.parameters[last(one.$ref)] : one) as Parameter,
    ),
    body: json ? { schema: json, required: raw.requestBody?.required === true } : null,
    responses: new Map(
      Object.entries(raw.responses ?? {}).map(([status, one]) => {
        const answer = one.$ref ? components.responses[last(one.$ref)] : one;
        const amended = errata[raw.operationId];
        if (amended?.status === Number(status)) return [amended.status, amended.schema];
        return [Number(status), answer?.content?.["application/json"]?.schema ?? null];
      }),
    ),
    forApps: raw["x-github"]?.enabledForGitHubApps !== false,
  };
}

export function componentSchema(name: string): Schema {
  const schema = description().components.schemas[name];
  if (!schema) throw new Error(`the published description has no schema "${name}"`);
  return schema;
}

/** The schema of a webhook body, by the description's key, for example "check-run-created"; undefined when unpublished. */
export function webhookSchema(key: string): Schema | undefined {
  return description()["x-webhooks"][key]?.post.requestBody?.content?.["application/json"]?.schema;
}
