import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { parseSync, Visitor } from "oxc-parser";
import type { Gate } from "./gate.ts";
import { importRules } from "./import-rules.ts";

export const imports: Gate = {
  name: "imports",
  async run({ root, files }) {
    const sources = files.filter(
      (file) =>
        /^(src|scripts|test)\/.*\.(ts|tsx|mts|mjs|js)$/.test(file) && !file.includes("/fixtures/"),
    );
    const found = await Promise.all(
      sources.map(async (file) => problemsIn(file, await readFile(join(root, file), "utf8"))),
    );
    return found.flat();
  },
};

/** @param file relative to the checkout */
export function problemsIn(file: string, text: string): readonly string[] {
  const rule = importRules
    .filter(({ folder }) => file.startsWith(`${folder}/`))
    .toSorted((one, other) => other.folder.length - one.folder.length)[0];
  if (!rule) return [`${file}: no import rule covers this folder (scripts/check/import-rules.ts)`];

  const { specifiers, computed, errors } = readImports(file, text);
  const problems = errors.map((error) => `${file}: ${error}`);
  for (const specifier of specifiers) {
    const allowed = specifier.startsWith(".")
      ? within(posix.join(posix.dirname(file), specifier), rule.folders)
      : rule.allows(specifier);
    if (!allowed) problems.push(`${file}: ${rule.folder} may not import "${specifier}"`);
  }
  if (computed && file.startsWith("src/")) {
    problems.push(`${file}: an import with a computed name cannot be checked`);
  }
  return problems;
}

function within(target: string, folders: readonly string[]): boolean {
  return folders.some((folder) => folder === "" || target.startsWith(`${folder}/`));
}

/** Every way to name another module, types included. */
function readImports(file: string, text: string) {
  const { program, errors } = parseSync(file, text);
  const specifiers = new Set<string>();
  let computed = false;
  const add = (node: { type: string; value?: unknown } | null | undefined) => {
    if (!node) return;
    if (node.type === "Literal" && typeof node.value === "string") specifiers.add(node.value);
    else computed = true;
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    ImportExpression: (node) => add(node.source),
    TSImportType: (node) => add(node.source),
    TSExternalModuleReference: (node) => add(node.expression),
    CallExpression(node) {
      if (node.callee.type === "Identifier" && node.callee.name === "require") {
        add(node.arguments[0]);
      }
    },
  }).visit(program);
  return { specifiers, computed, errors: errors.map((error) => error.message) };
}
