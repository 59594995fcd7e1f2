/** The keys in docs/configuration.md, between its two marks; the rest of the page is written by hand. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { jsonSchema } from "../../src/core/config/schema.ts";
import type { Generator } from "../check/generators.ts";

const PAGE = "docs/configuration.md";
const BEGIN = "<!-- keys: generated from src/core/config/schema.ts -->";
const END = "<!-- end of keys -->";

/** Of a JSON Schema what is looked at here. */
interface Node {
  readonly description?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | boolean;
}

interface Row {
  readonly key: string;
  readonly values: string;
  readonly must: boolean;
  readonly meaning: string;
}

export const generate: Generator = async (root) => {
  const page = await readFile(join(root, PAGE), "utf8");
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined)
    throw new Error(`${PAGE} lacks the line ${rest === undefined ? BEGIN : END}`);
  return [{ path: PAGE, content: `${before}${BEGIN}\n\n${sections()}\n${END}${after}` }];
};

function sections(): string {
  const { properties = {} } = jsonSchema() as Node;
  return Object.entries(properties)
    .map(([key, node]) => {
      const rows = [...below(key, node)];
      const table =
        rows.length === 0
          ? `\n${valuesOf(node)}.\n`
          : `\n| key | values | meaning |\n|---|---|---|\n${rows.map(line).join("")}`;
      return `### \`${key}\`\n\n${described(key, node)}\n${table}`;
    })
    .join("\n");
}

function line({ key, values, must, meaning }: Row): string {
  const cells = [`\`${key}\`${must ? " *" : ""}`, values, meaning];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
}

/** Every key below one, each once; the arms of a union come one after the other. */
function* below(path: string, node: Node): Iterable<Row> {
  if (node.items !== undefined) yield* below(`${path}[]`, node.items);
  for (const arm of node.anyOf ?? []) yield* below(path, arm);
  const entries = Object.entries(node.properties ?? {});
  if (alike(entries)) {
    const [[, first] = ["", {}]] = entries;
    yield* below(`${path}.<name>`, first);
    return;
  }
  for (const [name, inner] of entries) {
    const key = `${path}.${name}`;
    const must = node.required?.includes(name) === true;
    yield { key, values: valuesOf(inner), must, meaning: described(key, inner) };
    yield* below(key, inner);
  }
  if (typeof node.additionalProperties === "object")
    yield* below(`${path}.<name>`, node.additionalProperties);
}

/** Many keys that take the same are told once. */
function alike(entries: readonly (readonly [string, Node])[]): boolean {
  const shapes = new Set(entries.map(([, { properties }]) => Object.keys(properties ?? {}).join()));
  return entries.length > 4 && shapes.size === 1 && !shapes.has("");
}

function described(key: string, { description }: Node): string {
  if (description === undefined) throw new Error(`the configuration's key ${key} is not described`);
  return description;
}

function valuesOf(node: Node): string {
  const { type, items, enum: names, minimum, maximum } = node;
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``;
  if (names !== undefined) return names.map((one) => `\`${String(one)}\``).join(", ");
  if (items !== undefined) return `list of ${items.type === "array" ? "lists" : valuesOf(items)}`;
  if (type === "boolean") return "`true`, `false`";
  if (type === "integer") {
    // Zod says the largest safe number where nobody set a limit.
    const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? null : maximum;
    return most === null ? `a number from ${minimum ?? 0}` : `a number, ${minimum ?? 0} to ${most}`;
  }
  return type === "string" ? "text" : "keys";
}
