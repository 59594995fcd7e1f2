import * as z from "zod";
import { type ClusterObject, describeObject, objectOf } from "./object.ts";
import { RECORD } from "./record.ts";

/** What a program may ask of the cluster, for as long as one run of it lasts. */
export type Mode =
  /** Nothing is changed: what is no dry run is refused. `namespace`: of Snowcat's own record. */
  | { readonly kind: "dry-run"; readonly namespace: string }
  | {
      readonly kind: "apply";
      readonly namespace: string;
      /** Objects (as `describeObject` writes them) that may be deleted. */
      readonly mayDelete: ReadonlySet<string>;
      /** Null: this deploy still has the cluster. Else why not. */
      readonly fence: () => Promise<string | null>;
    };

export type RequestOptions = {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body: Buffer;
};

export type Asked =
  | { readonly kind: "reads"; readonly object: ClusterObject | null }
  | {
      readonly kind: "changes";
      readonly object: ClusterObject;
      readonly deletes: boolean;
      readonly verb: string;
    };
type Judged = Asked | { readonly kind: "refused"; readonly why: string };

/** Ways into pods and nodes, and logins: no deployment needs them, and each leads around everything else here. */
const NEVER = new Set(["exec", "attach", "portforward", "ephemeralcontainers", "token", "proxy"]);
/** Questions that are asked by creating something that is not kept. */
const QUESTIONS = /^(self)?subject(access|rules)?reviews?$|^selfsubjectreviews$|^tokenreviews$/u;

/** Whether a request of a deployment program goes on to the cluster. Paths are read as the API reads them, or refused. */
export function judgeRequest({ method, path, body }: RequestOptions, mode: Mode): Judged {
  const at = path.indexOf("?");
  const bare = at === -1 ? path : path.slice(0, at);
  const query = new URLSearchParams(at === -1 ? "" : path.slice(at + 1));
  const plain = decoded(bare);
  const object = plain === null ? null : objectOf(plain);
  const subresource = object?.subresource?.split("/")[0];
  if (subresource !== undefined && NEVER.has(subresource))
    return refuse(`${method} ${bare}: ${subresource} is not for deployments`);
  if (method === "GET" || method === "HEAD") return { kind: "reads", object };
  if (object === null) return refuse(`${method} ${bare}: it names no object`);
  if (method === "POST" && isQuestion(object)) return { kind: "reads", object: null };
  if (method === "DELETE") return judgeDelete(object, query, body, mode);
  if (method !== "POST" && method !== "PUT" && method !== "PATCH")
    return refuse(`${method} ${bare}: no such method is used here`);
  const named = method === "POST" && object.name === null ? withName(object, body) : object;
  if (named === null) return refuse(`POST ${bare}: its body names no object`);
  if (isOurs(named, mode.namespace))
    return refuse(`${describeObject(named)} is Snowcat's own record of this cluster`);
  if (mode.kind === "dry-run" && !isDry(query))
    return refuse(`${method} ${bare} would change the cluster, and this is a dry run`);
  // A rehearsal in the middle of the run itself: nothing that it names was written.
  if (mode.kind === "apply" && isDry(query)) return REHEARSED;
  return { kind: "changes", object: named, deletes: false, verb: method };
}

function judgeDelete(
  object: ClusterObject,
  query: URLSearchParams,
  body: Buffer,
  mode: Mode,
): Judged {
  const what = describeObject(object);
  if (object.name === null) return refuse(`${what}: whole kinds of objects are not deleted`);
  const isFolder = object.resource === "namespaces" && object.name === mode.namespace;
  if (isFolder || isOurs(object, mode.namespace))
    return refuse(`${what} holds Snowcat's own record of this cluster`);
  const changes = { kind: "changes", object, deletes: true, verb: "DELETE" } as const;
  // The API takes the options of a deletion from its body, if there is one, and from the query otherwise.
  const isDryRun = body.length === 0 ? isDry(query) : DryOptions.safeParse(json(body)).success;
  if (mode.kind === "apply" && isDryRun) return REHEARSED;
  if (mode.kind === "apply")
    return mode.mayDelete.has(what) && object.subresource === null
      ? changes
      : refuse(
          `${what} is not deleted: the dry run did not show it, or pruning is not permitted here`,
        );
  return isDryRun ? changes : refuse(`DELETE ${what} would change the cluster: this is a dry run`);
}

const REHEARSED: Judged = { kind: "reads", object: null };
const DryOptions = z.object({ dryRun: z.tuple([z.literal("All")]) });
const Named = z.object({
  metadata: z.object({
    name: z.string().min(1).max(253).optional(),
    generateName: z.string().min(1).max(253).optional(),
  }),
});

function isDry(query: URLSearchParams): boolean {
  const values = query.getAll("dryRun");
  return values.length === 1 && values[0] === "All";
}

/** An object that is created is named in its body. */
function withName(object: ClusterObject, body: Buffer): ClusterObject | null {
  const named = Named.safeParse(json(body));
  if (!named.success) return null;
  const { name, generateName } = named.data.metadata;
  if (name === undefined && generateName === undefined) return null;
  return { ...object, name: name ?? `${generateName ?? ""}…` };
}

function isOurs({ group, resource, namespace, name }: ClusterObject, ours: string): boolean {
  return group === "" && resource === "configmaps" && namespace === ours && name === RECORD;
}

function isQuestion({ group, resource, namespace }: ClusterObject): boolean {
  return (
    (group === "authorization.k8s.io" || group === "authentication.k8s.io") &&
    namespace === null &&
    QUESTIONS.test(resource)
  );
}

/** Null for what is written in a way that could be read as another path. */
function decoded(path: string): string | null {
  let plain: string;
  try {
    plain = decodeURIComponent(path);
  } catch {
    return null;
  }
  const slashes = (text: string): number => text.split("/").length;
  return slashes(plain) === slashes(path) && !plain.includes("\\") ? plain : null;
}

function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    // Protobuf, or nothing: whoever reads it on says what is missing.
    return null;
  }
}

const refuse = (why: string): Judged => ({ kind: "refused", why });
