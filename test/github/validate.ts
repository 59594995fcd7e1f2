import { Ajv } from "ajv";
import type { Plugin, ValidateFunction } from "ajv";
import formats from "ajv-formats";
import { componentSchema, webhookSchema } from "./description.ts";
import type { Operation, Schema } from "./description.ts";
import { amended } from "./errata.ts";

/**
 * Validation against the published description. Schemas are converted from OpenAPI 3.0 (`nullable`) to JSON Schema and
 * compiled on first use (1–40 ms each), once per process.
 */

// ajv-formats is CommonJS: Node gives its exports object as the default import, bundlers the function itself.
const addFormats = (
  typeof formats === "function" ? formats : (formats as { default: Plugin<unknown> }).default
) as Plugin<unknown>;

const make = (coerceTypes: boolean | "array"): Ajv => {
  const ajv = new Ajv({ strict: false, allErrors: false, coerceTypes, logger: false });
  addFormats(ajv);
  return ajv;
};
const strict = make(false);
const coercing = make("array");

const compiled = new WeakMap<Schema, ValidateFunction>();
const added = new Set<string>();

/** Undefined when valid, else one line that says where and what. */
export function fault(schema: Schema, value: unknown): string | undefined {
  let check = compiled.get(schema);
  if (!check) {
    check = strict.compile(converted(schema, strict));
    compiled.set(schema, check);
  }
  return check(value) ? undefined : worded(check, value);
}

/** Query parameters arrive as text: coerces numbers and booleans in place, then validates. */
export function queryFault(
  operation: Operation,
  query: Record<string, unknown>,
): string | undefined {
  let check = queries.get(operation);
  if (!check) {
    const parameters = operation.parameters.filter((one) => one.in === "query");
    check = coercing.compile({
      type: "object",
      properties: Object.fromEntries(
        parameters.map((one) => [one.name, converted(one.schema, coercing)]),
      ),
      required: parameters.filter((one) => one.required).map((one) => one.name),
    });
    queries.set(operation, check);
  }
  return check(query) ? undefined : worded(check, query);
}
const queries = new WeakMap<Operation, ValidateFunction>();

/** Undefined when the payload has the published shape (or the event has none: then `known` is false). */
export function webhookFault(
  event: string,
  action: string | null,
  payload: unknown,
): string | undefined {
  const key = [event, ...(action ? [action] : [])].join("-").replaceAll("_", "-");
  const schema = webhookSchema(key);
  return schema ? fault(schema, payload) : `no webhook "${key}" is published`;
}

/** The top-level names a body schema knows, or null when it takes any. */
export function knownFields(schema: Schema): Set<string> | null {
  const names = new Set<string>();
  const walk = (one: Schema): boolean => {
    const flat = typeof one["$ref"] === "string" ? componentSchema(refName(one["$ref"])) : one;
    if (flat["additionalProperties"]) return false;
    for (const name of Object.keys((flat["properties"] as Schema | undefined) ?? {}))
      names.add(name);
    return ["allOf", "anyOf", "oneOf"].every((key) =>
      ((flat[key] as Schema[] | undefined) ?? []).every(walk),
    );
  };
  return walk(schema) && names.size > 0 ? names : null;
}

function worded(check: ValidateFunction, value: unknown): string {
  const error = check.errors?.[0];
  if (!error) return "invalid";
  const at = error.instancePath || "(root)";
  const found = error.instancePath
    .split("/")
    .slice(1)
    .reduce<unknown>(
      (from, key) => (from as Record<string, unknown> | null)?.[key.replaceAll("~1", "/")],
      value,
    );
  return `${at} ${error.message ?? ""} ${JSON.stringify(error.params)}; found ${(JSON.stringify(found) ?? "nothing").slice(0, 160)}`;
}

function refName(ref: string): string {
  return ref.slice("#/components/schemas/".length);
}

const dropped = new Set([
  "description",
  "example",
  "examples",
  "discriminator",
  "xml",
  "externalDocs",
  "deprecated",
  "title",
  "default",
]);
const mapsOfSchemas = new Set(["properties", "patternProperties"]);
const listsOfSchemas = new Set(["allOf", "anyOf", "oneOf"]);
const singleSchemas = new Set(["items", "not", "additionalProperties"]);

function converted(schema: Schema, ajv: Ajv): Schema {
  const out: Schema = {};
  for (const [key, value] of Object.entries(schema)) {
    if (dropped.has(key) || key.startsWith("x-") || key === "nullable") continue;
    if (key === "$ref") out[key] = referenced(value as string, ajv);
    else if (mapsOfSchemas.has(key)) {
      out[key] = Object.fromEntries(
        Object.entries(value as Record<string, Schema>).map(([name, one]) => [
          name,
          converted(amended(name, one), ajv),
        ]),
      );
    } else if (listsOfSchemas.has(key))
      out[key] = (value as Schema[]).map((one) => converted(one, ajv));
    else if (singleSchemas.has(key) && typeof value === "object")
      out[key] = converted(value as Schema, ajv);
    else out[key] = value;
  }
  return schema["nullable"] === true ? nullable(out) : out;
}

function nullable(schema: Schema): Schema {
  if (typeof schema["type"] !== "string") return { anyOf: [schema, { type: "null" }] };
  const known = schema["enum"] as unknown[] | undefined;
  return {
    ...schema,
    type: [schema["type"], "null"],
    ...(known && !known.includes(null) ? { enum: [...known, null] } : {}),
  };
}

/** Registers a component (and, through `converted`, what it refers to) before it is needed; cycles end at `added`. */
function referenced(ref: string, ajv: Ajv): string {
  const name = refName(ref);
  const id = `github:${name}`;
  const key = `${ajv === strict ? "strict" : "coercing"} ${name}`;
  if (!added.has(key)) {
    added.add(key);
    ajv.addSchema({ ...converted(componentSchema(name), ajv), $id: id });
  }
  return id;
}
