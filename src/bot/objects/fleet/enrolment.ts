import { fromBase64, toBase64 } from "../../channel/bytes.ts";
import type { CodeRequest, EnrolmentRequest } from "../../../protocol/enrolment.ts";
import { Pool } from "../../../protocol/identifiers.ts";
import { accountOfCode, newCode } from "./code.ts";
import type { Enrolled, Runners } from "./runners.ts";
import { sha256Hex } from "./secrets.ts";

type Row = { pool: string; class: string; repositories: string | null; expires_at: number };

/** Codes: only the hash is kept; a code is good once, until it expires. */
export class Enrolment {
  readonly #storage: DurableObjectStorage;
  readonly #runners: Runners;

  constructor(storage: DurableObjectStorage, runners: Runners) {
    this.#storage = storage;
    this.#runners = runners;
  }

  mint(
    key: string,
    host: string,
    request: CodeRequest,
    now: number,
  ): { code: string; expiresAt: number } {
    const code = newCode(key, host, request.account);
    const expiresAt = now + request.validSeconds * 1_000;
    this.#storage.sql.exec("DELETE FROM code WHERE expires_at <= ?", now);
    this.#storage.sql.exec(
      "INSERT INTO code (hash, pool, class, repositories, expires_at) VALUES (?, ?, ?, ?, ?)",
      sha256Hex(code),
      request.pool,
      request.class,
      request.repositories && JSON.stringify(request.repositories),
      expiresAt,
    );
    return { code, expiresAt };
  }

  /** Spends the code and makes the runner, in one transaction. Which of unknown, used and expired is not told. */
  enrol(
    key: string,
    identity: { host: string; account: number },
    request: EnrolmentRequest,
    now: number,
  ): Omit<Enrolled, "targets"> | { refused: string } {
    if (accountOfCode(key, identity.host, request.code) !== identity.account)
      return { refused: CODE_REFUSED };
    const raw = fromBase64(request.publicKey);
    if (raw.length !== 32)
      return { refused: "the public key must be a raw Ed25519 key: 32 bytes in base64" };
    return this.#storage.transactionSync(() => {
      const spent = this.#storage.sql
        .exec<Row>(
          "DELETE FROM code WHERE hash = ? RETURNING pool, class, repositories, expires_at",
          sha256Hex(request.code),
        )
        .toArray();
      const [row] = spent;
      if (row === undefined || row.expires_at <= now) return { refused: CODE_REFUSED };
      const enrolled: Omit<Enrolled, "targets"> = {
        runner: crypto.randomUUID().replaceAll("-", "").slice(0, 20),
        name: request.name,
        publicKey: toBase64(raw),
        pool: Pool.parse(row.pool),
        class: row.class,
        repositories: row.repositories === null ? null : (JSON.parse(row.repositories) as number[]),
      };
      this.#runners.add(enrolled, now);
      return enrolled;
    });
  }
}

const CODE_REFUSED =
  "the code is not good: it is wrong, was used, or has expired. Ask the operator for a new one";
