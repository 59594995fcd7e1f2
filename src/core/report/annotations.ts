import type { Finding } from "../../protocol/data.ts";
import { line, plain } from "./escape.ts";
import type { Annotation, Listed } from "./model.ts";

/** Annotations of one check run; they go out in requests of 50. */
export const ANNOTATION_CAP = 200;

/** Evaluation errors on the lines they come from: one annotation for each place and message. */
export function annotations(errors: readonly Listed[]): Annotation[] {
  const seen = new Map<string, Annotation>();
  for (const { name, required, verdict } of errors) {
    if (
      verdict?.kind !== "evaluation-error" ||
      verdict.position === null ||
      !inTree(verdict.position.file)
    )
      continue;
    const { file, line: at } = verdict.position;
    const key = `${file}:${at}:${verdict.message}`;
    if (seen.has(key)) continue;
    if (seen.size === ANNOTATION_CAP) break;
    const message = plain(verdict.message).slice(0, 8_000) || "evaluation error";
    const level = required ? "failure" : "warning";
    seen.set(key, {
      path: file,
      start_line: at,
      end_line: at,
      annotation_level: level,
      title: line(`${name}: evaluation error`),
      message,
    });
  }
  return [...seen.values()];
}

/** What a linter found, on the lines where it is known to be. */
export function findingAnnotations(findings: readonly Finding[]): Annotation[] {
  return findings.flatMap(({ about, message, position }) =>
    position === null || !inTree(position.file)
      ? []
      : [
          {
            path: position.file,
            start_line: position.line,
            end_line: position.line,
            annotation_level: "warning",
            title: line(about),
            message: plain(message).slice(0, 8_000),
          } satisfies Annotation,
        ],
  );
}

/** GitHub refuses a whole request for one path that is not relative to the tree. */
export function inTree(file: string): boolean {
  return (
    file !== "" &&
    !file.startsWith("/") &&
    file.length <= 1_024 &&
    !/[\u0000-\u001f\u007f\\]/u.test(file) &&
    !file.split("/").some((part) => part === ".." || part === "." || part === "")
  );
}
