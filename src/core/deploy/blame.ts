import type { TicketRow } from "./rows.ts";
import { isSource } from "./tool.ts";

/**
 * What is remembered of a deploy that had to be taken back: its system, or its commit where the machine builds by itself and
 * nobody knows before what comes of it.
 */
export function blamed({
  system,
  sha,
  method,
  purpose,
}: Pick<TicketRow, "system" | "sha" | "method" | "purpose">): string | null {
  return purpose === "deploy" && isSource(method) ? `commit:${sha}` : system;
}
