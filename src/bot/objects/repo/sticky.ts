import { renderCommands } from "../../../core/command/reply.ts";
import { stickyBody } from "../../../core/repo/sticky.ts";
import type { RunSection } from "../contracts.ts";
import type { Commands } from "./commands.ts";

/** What the one comment of each pull request says: its parts, and the number of its newest text. */
export class Sticky {
  readonly #sql: SqlStorage;
  readonly #commands: Commands;

  constructor(sql: SqlStorage, commands: Commands) {
    this.#sql = sql;
    this.#commands = commands;
  }

  /** @returns whether there is something new to say. A newer run's word stands. */
  put(pull: number, name: RunSection, run: number, markdown: string | null): boolean {
    const [known] = this.#sql
      .exec<{ run: number; markdown: string | null }>(
        "SELECT run, markdown FROM section WHERE pull = ? AND name = ?",
        pull,
        name,
      )
      .toArray();
    if ((known?.run ?? 0) > run) return false;
    this.#sql.exec(
      "INSERT OR REPLACE INTO section (pull, name, run, markdown) VALUES (?, ?, ?, ?)",
      pull,
      name,
      run,
      markdown,
    );
    return (known?.markdown ?? null) !== markdown;
  }

  /** The text has changed. Numbers grow with the time, so that none comes again after rows were forgotten. */
  changed(pull: number, now: number): void {
    this.#sql.exec(
      "INSERT INTO sticky (pull, version) VALUES (?, ?) ON CONFLICT (pull) DO UPDATE SET version = max(version + 1, excluded.version)",
      pull,
      now,
    );
  }

  version(pull: number): number {
    const [row] = this.#sql
      .exec<{ version: number }>("SELECT version FROM sticky WHERE pull = ?", pull)
      .toArray();
    return row?.version ?? 0;
  }

  body(pull: number): string {
    const sections = this.#sql
      .exec<{ name: RunSection; markdown: string | null }>(
        // The plan of an earlier head is nobody's any more; nothing else takes it away.
        `SELECT name, markdown FROM section WHERE pull = ?1
         AND (name <> 'plan' OR run IN (SELECT n FROM run JOIN pull USING (head) WHERE pull.number = ?1))`,
        pull,
      )
      .toArray();
    const of = (name: RunSection) => sections.find((one) => one.name === name)?.markdown ?? "";
    const commands = renderCommands(this.#commands.ofPull(pull));
    return stickyBody({
      impact: of("impact"),
      notices: of("notices"),
      krops: of("krops"),
      plan: of("plan"),
      commands,
    });
  }

  /** Those of pull requests that are forgotten. */
  prune(): void {
    for (const table of ["section", "sticky"])
      this.#sql.exec(`DELETE FROM ${table} WHERE pull NOT IN (SELECT number FROM pull)`);
  }
}
