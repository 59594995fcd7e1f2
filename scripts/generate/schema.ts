/** The configuration's JSON Schema, for editors. */
import { jsonSchema } from "../../src/core/config/schema.ts";
import type { Generator } from "../check/generators.ts";

export const generate: Generator = () =>
  Promise.resolve([
    {
      path: "schema/snowcat.schema.json",
      content: `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    },
  ]);
