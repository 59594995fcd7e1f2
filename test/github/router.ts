import { allOperations } from "./description.ts";
import type { Operation } from "./description.ts";

/** Parameters that may hold slashes on GitHub, encoded or not. */
const greedy = new Set(["ref", "path", "branch", "basehead", "base", "head"]);

interface Route {
  operation: Operation;
  names: string[];
  pattern: RegExp;
  literals: number;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function routeOf(operation: Operation): Route {
  const names: string[] = [];
  let literals = 0;
  const source = operation.template
    .split("/")
    .slice(1)
    .map((segment) => {
      const parts = segment.split(/(\{[^}]+\})/).map((part) => {
        const name = /^\{(.+)\}$/.exec(part)?.[1];
        if (name === undefined) {
          literals += part.length;
          return escaped(part);
        }
        names.push(name);
        return greedy.has(name) ? "(.+)" : "([^/]+)";
      });
      return `/${parts.join("")}`;
    })
    .join("")
    // The root of a tree is "contents/" or "contents".
    .replace(/contents\/\(\.\+\)$/, "contents(?:/(.*))?");
  return { operation, names, literals, pattern: new RegExp(`^${source}$`) };
}

/** GitHub serves it, octokit is redirected to it, the published description does not list it. */
const byId: Operation = {
  id: "repos/get-by-id",
  method: "GET",
  template: "/repositories/{repository_id}",
  parameters: [],
  body: null,
  responses: new Map([[200, { $ref: "#/components/schemas/full-repository" }]]),
  forApps: true,
};

let table: Map<string, Route[]> | undefined;

function routes(method: string, first: string): Route[] {
  if (!table) {
    table = new Map();
    for (const operation of [byId, ...allOperations()]) {
      const key = `${operation.method} ${operation.template.split("/")[1] ?? ""}`;
      table.set(key, [...(table.get(key) ?? []), routeOf(operation)]);
    }
    // Longest literal first, so that ".../branches/{branch}/protection" is tried before ".../branches/{branch}".
    for (const list of table.values()) list.sort((a, b) => b.literals - a.literals);
  }
  return table.get(`${method} ${first}`) ?? [];
}

/** The published operation behind a path (still percent-encoded) and its decoded parameters. */
export function route(
  method: string,
  path: string,
): { operation: Operation; params: Record<string, string> } | undefined {
  for (const { operation, names, pattern } of routes(method, path.split("/")[1] ?? "")) {
    const match = pattern.exec(path);
    if (!match) continue;
    try {
      return {
        operation,
        params: Object.fromEntries(
          names.map((name, at) => [name, decodeURIComponent(match[at + 1] ?? "")]),
        ),
      };
    } catch {
      return undefined; // a malformed escape names nothing
    }
  }
  return undefined;
}
