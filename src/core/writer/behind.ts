import type { Row } from "./rows.ts";

/** Whether GitHub does not show yet what it should. */
export function behind(row: Row): boolean {
  return (
    row.state === "unknown" ||
    row.state === "sending" ||
    (row.state === "idle" && (row.shown < row.version || row.annotated < row.annotations))
  );
}
