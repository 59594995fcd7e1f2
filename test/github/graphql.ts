import type { GraphQLFieldResolver, GraphQLSchema } from "graphql";
import type { Answer } from "./answer.ts";
import { Refused } from "./answer.ts";
import type { Actor } from "./auth.ts";
import { graphqlRoot } from "./graphql-root.ts";
import type { World } from "./world.ts";

/** GraphQL, checked against GitHub's published schema (read on first use, about 0.3 s). */

interface Library {
  graphql: typeof import("graphql");
  schema: GraphQLSchema;
}

let library: Promise<Library> | undefined;

async function load(): Promise<Library> {
  const [graphql, { schema }] = await Promise.all([
    import("graphql"),
    import("@octokit/graphql-schema"),
  ]);
  return { graphql, schema: graphql.buildSchema(schema.idl, { assumeValid: true }) };
}

export async function answerGraphql(
  world: World,
  actor: Actor,
  method: string,
  bytes: Buffer,
): Promise<Answer> {
  if (method !== "POST") return { status: 404, body: { message: "Not Found" } };
  if (actor.kind === "anonymous" || actor.kind === "app")
    return { status: 401, body: { message: "This endpoint requires you to be authenticated." } };
  library ??= load();
  const { graphql, schema } = await library;
  const reject = (detail: string, errors: unknown): Answer => {
    world.record({ kind: "invalid-request", actor: actor.kind, where: "POST /graphql", detail });
    return { status: 200, body: { errors } };
  };
  let request: {
    query?: unknown;
    variables?: Record<string, unknown> | null;
    operationName?: string;
  };
  try {
    request = JSON.parse(bytes.toString()) as typeof request;
  } catch {
    return { status: 400, body: { message: "Problems parsing JSON" } };
  }
  if (typeof request.query !== "string")
    return reject("no query", [
      { message: "A query attribute must be specified and must be a string." },
    ]);
  let document;
  try {
    document = graphql.parse(request.query);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return reject(message, [{ message }]);
  }
  const faults = graphql.validate(schema, document);
  if (faults.length > 0) return reject(faults[0]?.message ?? "invalid", faults);
  const result = await graphql.execute({
    schema,
    document,
    rootValue: graphqlRoot(world, actor),
    variableValues: request.variables ?? {},
    operationName: request.operationName,
    fieldResolver: strictResolver(world, actor),
  });
  const errors = result.errors?.map((error) => {
    const cause = error.originalError;
    if (cause instanceof Refused)
      return {
        type: cause.extra["type"] ?? "UNPROCESSABLE",
        path: error.path,
        locations: error.locations,
        message: error.message,
      };
    // A variable of the wrong type has no original error: that is the client's fault, the rest is ours.
    world.record({
      kind: cause ? "crash" : "invalid-request",
      actor: cause ? "double" : actor.kind,
      where: "POST /graphql",
      detail: cause?.stack ?? error.message,
    });
    return error.toJSON();
  });
  return { status: 200, body: { data: result.data ?? null, ...(errors ? { errors } : {}) } };
}

/** A field the double does not have is said, never answered with null. */
const strictResolver =
  (world: World, actor: Actor): GraphQLFieldResolver<unknown, unknown> =>
  (source, args, context, info) => {
    const value = (source as Record<string, unknown> | null)?.[info.fieldName];
    if (value === undefined) {
      const where = `${info.parentType.name}.${info.fieldName}`;
      world.record({
        kind: "not-implemented",
        actor: actor.kind,
        where: "POST /graphql",
        detail: `the double does not have ${where}`,
      });
      throw new Refused(501, `The double does not implement ${where}`, { type: "NOT_IMPLEMENTED" });
    }
    return typeof value === "function"
      ? (value as (args: unknown, context: unknown, info: unknown) => unknown)(args, context, info)
      : value;
  };
