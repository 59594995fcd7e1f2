import { expect, test } from "vitest";
import { allOperations } from "./description.ts";
import { needs } from "./permissions.ts";
import { handlers } from "./resources/index.ts";

const published = new Set([...allOperations().map((one) => one.id), "repos/get-by-id"]);

test("every handler implements a published operation and says who may call it", () => {
  expect(Object.keys(handlers).filter((id) => !published.has(id))).toEqual([]);
  expect(Object.keys(handlers).filter((id) => !needs[id])).toEqual([]);
});

test("every operation with a permission is published", () => {
  expect(Object.keys(needs).filter((id) => !published.has(id))).toEqual([]);
});
