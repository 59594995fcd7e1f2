import { objectName } from "../contracts.ts";

export type FleetIdentity = { host: string; account: number };

/** Whose Fleet this is: fixed at the first call, compared at each later one. */
export class Identity {
  readonly #sql: SqlStorage;
  readonly #host: string;
  readonly #name: string | undefined;

  constructor(sql: SqlStorage, host: string, name: string | undefined) {
    this.#sql = sql;
    this.#host = host;
    this.#name = name;
  }

  known(): FleetIdentity | null {
    return this.#sql.exec<FleetIdentity>("SELECT host, account FROM identity").toArray()[0] ?? null;
  }

  /** Throws when the call is for another account or host than this object's: a bug of the caller. */
  require(account: number): FleetIdentity {
    const known = this.known();
    if (known === null) {
      const name = objectName.fleet(this.#host, account);
      if (this.#name !== undefined && this.#name !== name)
        throw new Error(`fleet ${this.#name} was called for ${name}`);
      this.#sql.exec(
        "INSERT INTO identity (one, host, account) VALUES (1, ?, ?)",
        this.#host,
        account,
      );
      return { host: this.#host, account };
    }
    if (known.account !== account || known.host !== this.#host) {
      throw new Error(
        `fleet of ${known.host}/${known.account} was called for ${this.#host}/${account}`,
      );
    }
    return known;
  }
}
