import { assign, backoff } from "../../../core/fleet/index.ts";
import type { Environment } from "../../environment.ts";
import type { RunContract } from "../contracts.ts";
import { mint } from "./attempt-token.ts";
import type { Desk } from "./desk.ts";
import type { Jobs } from "./jobs.ts";
import type { Signing } from "./signing.ts";
import type { Sockets } from "./sockets.ts";
import { SPEAKS, specificationText } from "./specification.ts";

type Parts = {
  desk: Desk;
  jobs: Jobs;
  sockets: Sockets;
  signing: Signing;
  env: Environment;
  run: (job: string) => RunContract;
};

/**
 * Hands out waiting jobs. The order is what keeps verdicts from being lost or doubled: the attempt's number is
 * committed, then the Run is told (earlier attempts are stale from there on), then the runner gets the offer.
 */
export class Offers {
  readonly #sql: SqlStorage;
  readonly #parts: Parts;
  readonly #going = new Set<string>();
  readonly #tries = new Map<string, number>();

  constructor(sql: SqlStorage, parts: Parts) {
    this.#sql = sql;
    this.#parts = parts;
  }

  /** Starts whatever can be offered now; resolves when each of these offers is out or has been put off. */
  async make(identity: { host: string; account: number }, now: number): Promise<void> {
    const { desk, jobs } = this.#parts;
    const open = jobs.open();
    for (const pair of assign(open, desk.runners(), this.#served(), jobs.homes(open), now)) {
      for (const pin of pair.homes) jobs.settle(pin, pair.runner, now);
      const job = desk.apply(pair.job, { kind: "offer", runner: pair.runner }, now);
      if (job !== null) this.#serve(job.repository);
    }
    const offering = jobs
      .open()
      .filter(
        (job) => job.state === "offering" && job.notBefore <= now && !this.#going.has(job.job),
      );
    await Promise.all(
      offering.map((job) => this.#offer(job.job, job.attempt, job.runner ?? "", identity)),
    );
  }

  async #offer(
    id: string,
    attempt: number,
    runner: string,
    identity: { host: string; account: number },
  ): Promise<void> {
    const { desk, jobs, run, signing, env, sockets } = this.#parts;
    const request = jobs.request(id);
    if (request === null) throw new Error(`job ${id} is open and its request is gone`);
    this.#going.add(id);
    try {
      const enrolled = desk.runners().find((each) => each.runner === runner);
      const exchange = enrolled?.exchange ?? null;
      await run(id).offered(id, attempt, runner, exchange);
      const to = { ...identity, runner, attempt, exchange };
      const text = specificationText(request, to, Date.now());
      const signature = await signing.sign(text);
      const token = mint(env.ATTEMPT_KEY, {
        host: identity.host,
        account: identity.account,
        installation: request.installation,
        repository: request.repository.id,
        run: request.run,
        job: id,
        attempt,
        runner,
        // Retired meanwhile: nothing is believed to be signed by it.
        key: enrolled?.publicKey ?? "",
        expiresAt: Date.now() + SPEAKS,
      });
      const sent = desk.apply(id, { kind: "sent" }, Date.now());
      this.#tries.delete(id);
      if (sent?.state !== "offered" || sent.attempt !== attempt) return;
      const delivered = sockets.tell(
        runner,
        { kind: "offer", specification: text, signature, token },
        id,
        attempt,
      );
      if (!delivered) desk.apply(id, { kind: "absent", runner }, Date.now());
    } catch (error) {
      this.#putOff(id, attempt, error);
    } finally {
      this.#going.delete(id);
    }
  }

  #putOff(id: string, attempt: number, error: unknown): void {
    const tries = (this.#tries.get(id) ?? 0) + 1;
    this.#tries.set(id, tries);
    console.error(`offer of ${id} attempt ${attempt} put off, try ${tries}: ${String(error)}`);
    const job = this.#parts.jobs.get(id);
    if (job?.state === "offering" && job.attempt === attempt)
      this.#parts.jobs.save({ ...job, notBefore: Date.now() + backoff(tries) });
  }

  #served(): Map<number, number> {
    return new Map(
      this.#sql
        .exec<{ repository: number; turn: number }>("SELECT repository, turn FROM served")
        .toArray()
        .map((row) => [row.repository, row.turn]),
    );
  }

  #serve(repository: number): void {
    this.#sql.exec(
      "INSERT INTO served (repository, turn) VALUES (?, (SELECT coalesce(max(turn), 0) + 1 FROM served)) ON CONFLICT (repository) DO UPDATE SET turn = excluded.turn",
      repository,
    );
  }
}
