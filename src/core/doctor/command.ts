import { attributeName } from "../../protocol/attribute.ts";
import { parseAttributePath } from "../../protocol/attribute-path.ts";

/** What a declared command needs to be there. */
export type Need =
  /** `nix run` of an output of a flake in the repository: one of these attributes. */
  | { kind: "flake"; directory: string; name: string; attributes: string[] }
  /** `nix run --file`: the attribute of a file in the repository. */
  | { kind: "file"; file: string; attribute: string; args: Record<string, string> }
  /** A file of the repository. */
  | { kind: "path"; path: string }
  /** A program that runners have. */
  | { kind: "program"; name: string }
  /** Something outside the repository, about which nothing can be said. */
  | { kind: "elsewhere"; reference: string }
  /** The command itself makes no sense. */
  | { kind: "problem"; why: string };

/** Options of `nix run` that take values of their own, and how many. */
const VALUES: Readonly<Record<string, number>> = {
  "--arg": 2,
  "--override-input": 2,
  "--option": 2,
  "--update-input": 1,
  "--include": 1,
  "-I": 1,
  "--system": 1,
  "--eval-store": 1,
  "--store": 1,
  "--max-jobs": 1,
  "-j": 1,
  "--cores": 1,
};

/** Reads what a command, run at the repository's root on one of these systems, stands on. */
export function needOf(argv: readonly string[], systems: readonly string[]): Need {
  const [program = ""] = argv;
  if (program === "nix" && argv[1] === "run") return runNeed(argv.slice(2), systems);
  if (program.startsWith("/")) return { kind: "elsewhere", reference: program };
  return program.includes("/")
    ? inside(program) === null
      ? { kind: "problem", why: `${program} is outside of the repository` }
      : { kind: "path", path: inside(program)! }
    : { kind: "program", name: program };
}

function runNeed(options: readonly string[], systems: readonly string[]): Need {
  let file: string | null = null;
  const args: Record<string, string> = {};
  let installable: string | null = null;
  for (let at = 0; at < options.length; at += 1) {
    const option = options[at]!;
    if (option === "--") break;
    if (option === "--file" || option === "-f") file = options[(at += 1)] ?? "";
    else if (option === "--argstr") {
      args[options[at + 1] ?? ""] = options[at + 2] ?? "";
      at += 2;
    } else if (option.startsWith("-")) at += VALUES[option] ?? 0;
    else installable ??= option;
  }
  if (file !== null) return fileNeed(file, installable, args);
  const [reference = "", fragment = ""] = (installable ?? ".").split("#", 2);
  if (!/^(?:path:|git\+file:)?(?:\.{0,2}$|\.{1,2}\/)/u.test(reference))
    return { kind: "elsewhere", reference: installable ?? "." };
  const directory = inside(reference.replace(/^(?:path|git\+file):/u, "") || ".");
  if (directory === null)
    return { kind: "problem", why: `${reference} is outside of the repository` };
  const path = parseAttributePath(fragment === "" ? "default" : fragment.replace(/\^.*$/u, ""));
  if (path === null) return { kind: "problem", why: `${fragment} is not an attribute path` };
  const below = systems.flatMap((system) =>
    ["apps", "packages", "legacyPackages"].map((output) => [output, system, ...path]),
  );
  // An output by its whole path; a name alone is one of the others', as good as always.
  const whole = path.length > 1 ? [path] : [];
  const old =
    fragment === ""
      ? systems.flatMap((one) => [
          ["defaultApp", one],
          ["defaultPackage", one],
        ])
      : whole;
  return {
    kind: "flake",
    directory,
    name: fragment || "default",
    attributes: [...below, ...old].map(attributeName),
  };
}

function fileNeed(file: string, attribute: string | null, args: Record<string, string>): Need {
  const found = inside(file);
  if (found === null) return { kind: "problem", why: `${file} is outside of the repository` };
  if (attribute === null || parseAttributePath(attribute) === null)
    return { kind: "problem", why: `nix run --file ${file} names no attribute` };
  return { kind: "file", file: found, attribute, args };
}

/** A path from the root, without `.` and `..`; null where it leaves the repository. */
function inside(path: string): string | null {
  if (path.startsWith("/")) return null;
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return null;
    } else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/") || ".";
}
