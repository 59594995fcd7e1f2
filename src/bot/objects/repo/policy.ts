import type { CommandPolicy } from "../../../core/command/command.ts";
import { readConfiguration, UNREADABLE } from "../../../core/config/read.ts";
import { resolve } from "../../../core/config/resolve.ts";
import { CONFIGURATION_FILE } from "../../../core/config/schema.ts";
import type { RepositoryIdentity } from "../../../core/repo/request.ts";
import type { PolicySource, Read, WriterContract } from "../contracts.ts";

/** Read again after an hour (ms) even if no push said that it changed: a delivery can be lost for a while. */
const LASTS = 3_600_000;

/** The default branch's configuration, as last read. */
export class Policy {
  readonly #sql: SqlStorage;
  /** Raised when the branch moves: an answer that was asked for before is used, not kept. */
  #generation = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  stale(): void {
    this.#generation += 1;
    this.#sql.exec("DELETE FROM policy");
  }

  async read(
    identity: RepositoryIdentity,
    head: string | null,
    writer: Pick<WriterContract, "file">,
    now: number,
  ): Promise<Read<PolicySource>> {
    const kept = this.#kept(now);
    if (kept !== null) return { ok: true, value: kept };
    const generation = this.#generation;
    const { id, owner, name, defaultBranch } = identity.repository;
    const answer = await writer.file({ id, owner, name }, CONFIGURATION_FILE, defaultBranch, head);
    if (!answer.ok && !answer.missing) return answer;
    // No file is a configuration too: that of the defaults, at the head as it was last seen.
    const source: PolicySource = answer.ok ? answer.value : { text: null, commit: head ?? "" };
    // What is no file has no text to keep: it is asked for again.
    if (generation === this.#generation && source.problem === undefined) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO policy (one, text, commit_sha, read_at) VALUES (1, ?, ?, ?)",
        source.text,
        source.commit,
        now,
      );
    }
    return { ok: true, value: source };
  }

  /** Custom roles that the configuration counts as write; none while it is not known or not right. */
  static writers(source: PolicySource | null): readonly string[] {
    if (source === null || source.problem !== undefined) return [];
    const read = readConfiguration(source.text);
    return read.ok ? (read.configuration.policy?.writers ?? []) : [];
  }

  /** Who may give which command; the strictest while the configuration is not right or not there to be read. */
  static commands(source: PolicySource | null): CommandPolicy {
    const read =
      source === null || source.problem !== undefined ? null : readConfiguration(source.text);
    const configuration = read === null ? UNREADABLE : read.ok ? read.configuration : read.rest;
    const { writers, commands, flags } = resolve(configuration, [], "untrusted").policy;
    return { writers, commands, ...(flags === undefined ? {} : { flags }) };
  }

  #kept(now: number): PolicySource | null {
    const [row] = this.#sql
      .exec<{ text: string | null; commit_sha: string; read_at: number }>(
        "SELECT text, commit_sha, read_at FROM policy",
      )
      .toArray();
    return row === undefined || now - row.read_at > LASTS
      ? null
      : { text: row.text, commit: row.commit_sha };
  }
}
