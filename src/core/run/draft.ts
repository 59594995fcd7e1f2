import type { Provenance } from "../../protocol/provenance.ts";
import type { Verdict, VerdictKind } from "../../protocol/verdict.ts";
import { replayable, rooted } from "../verdict/index.ts";
import type { AttributeRow, Changes, Delta, DerivationRow, JobRow, Slice } from "./rows.ts";

/** Key of an attribute within a run. */
export function attributeKey(selection: number, path: readonly string[]): string {
  return `${selection}:${JSON.stringify(path)}`;
}

/**
 * A slice being changed: rows are copied when they are first touched, counters move with them. Every judgement of an
 * attribute or a derivation goes through here, which is why the counters cannot drift.
 */
export class Draft {
  readonly run: Changes["run"];
  readonly #jobs = new Map<number, JobRow>();
  readonly #attributes = new Map<string, AttributeRow>();
  readonly #derivations = new Map<string, DerivationRow>();
  readonly #byDrv = new Map<string, Set<string>>();
  readonly #counts = new Map<string, Delta>();
  readonly #touched = {
    jobs: new Set<number>(),
    attributes: new Set<string>(),
    derivations: new Set<string>(),
  };

  constructor(slice: Slice) {
    this.run = { ...slice.run };
    for (const job of slice.jobs) this.#jobs.set(job.number, { ...job });
    for (const attribute of slice.attributes) this.#index({ ...attribute });
    for (const derivation of slice.derivations)
      this.#derivations.set(derivation.drv, { ...derivation });
  }

  job(number: number): JobRow | null {
    const job = this.#jobs.get(number);
    if (!job) return null;
    this.#touched.jobs.add(number);
    return job;
  }

  newJob(
    job: Pick<JobRow, "kind" | "system" | "features" | "retries"> & {
      notBefore?: number;
      aside?: JobRow["aside"];
    },
  ): JobRow {
    this.run.jobs += 1;
    if (job.aside == null) this.run.openJobs += 1;
    const row: JobRow = {
      notBefore: 0,
      aside: null,
      ...job,
      starts: 0,
      number: this.run.jobs,
      state: "new",
      attempt: 0,
      runner: null,
      verdict: null,
      digest: null,
      cancel: null,
    };
    this.#jobs.set(row.number, row);
    this.#touched.jobs.add(row.number);
    return row;
  }

  finishJob(job: JobRow, verdict: Verdict, digest: string | null): void {
    if (job.state === "finished") return;
    job.state = "finished";
    job.verdict = verdict;
    job.digest = digest;
    if (job.aside === null) this.run.openJobs -= 1;
  }

  attribute(key: string): AttributeRow | null {
    return this.#attributes.get(key) ?? null;
  }

  *attributesOf(drv: string): Iterable<AttributeRow> {
    for (const key of this.#byDrv.get(drv) ?? []) {
      const row = this.#attributes.get(key);
      if (row) yield row;
    }
  }

  attributes(): Iterable<AttributeRow> {
    return this.#attributes.values();
  }

  derivations(): Iterable<DerivationRow> {
    return this.#derivations.values();
  }

  addAttribute(
    attribute: Omit<AttributeRow, "index" | "verdict" | "cause" | "seconds" | "log" | "provenance">,
  ): AttributeRow {
    this.run.attributes += 1;
    this.run.pending += 1;
    if (attribute.required) this.run.required += 1;
    const row: AttributeRow = {
      ...attribute,
      index: this.run.attributes,
      verdict: null,
      cause: null,
      seconds: 0,
      log: null,
      provenance: null,
    };
    this.#touch(this.#index(row));
    return row;
  }

  /** An attribute's verdict, once: the first one stays. */
  judge(
    attribute: AttributeRow,
    verdict: Verdict,
    seconds: number,
    log: AttributeRow["log"],
    provenance: Provenance | null = null,
  ): void {
    if (attribute.verdict !== null) return;
    attribute.verdict = verdict;
    attribute.cause = causeOf(attribute, verdict);
    attribute.seconds = seconds;
    attribute.log = log;
    attribute.provenance = provenance;
    this.run.pending -= 1;
    if (attribute.required && verdict.kind === "succeeded") this.run.requiredSucceeded += 1;
    if (!replayable(verdict)) this.run.unreplayable += 1;
    this.#count(verdict.kind, attribute.required, 1);
    this.#touch(attributeKey(attribute.selection, attribute.path));
  }

  /** An error of an evaluation that was lost is taken back when the next one gets further. */
  reopen(attribute: AttributeRow, drv: string, required: boolean): void {
    if (attribute.verdict?.kind !== "evaluation-error")
      throw new Error(`attribute ${attribute.name} has no evaluation error to take back`);
    this.run.pending += 1;
    this.run.unreplayable -= 1;
    this.#count(attribute.verdict.kind, attribute.required, -1);
    if (attribute.required !== required) this.run.required += required ? 1 : -1;
    Object.assign(attribute, { verdict: null, cause: null, seconds: 0, log: null, drv, required });
    this.#touch(this.#index(attribute));
  }

  derivation(drv: string): DerivationRow | null {
    return this.#derivations.get(drv) ?? null;
  }

  addDerivation(
    row: Pick<DerivationRow, "drv" | "name" | "system" | "features" | "selection" | "path">,
    state: "unknown" | "ready" = "unknown",
  ): void {
    this.run.openDerivations += 1;
    this.#derivations.set(row.drv, {
      ...row,
      state,
      job: null,
      rounds: 0,
      verdict: null,
      seconds: 0,
      remember: false,
      provenance: null,
      earlier: null,
    });
    this.#touched.derivations.add(row.drv);
  }

  move(
    derivation: DerivationRow,
    state: "ready" | "leased",
    job: number | null,
    earlier = derivation.earlier,
  ): void {
    if (derivation.state === "done") return;
    derivation.state = state;
    derivation.earlier = earlier;
    derivation.job = job;
    this.#touched.derivations.add(derivation.drv);
  }

  /** It waits for what another runner builds. */
  giveBack(derivation: DerivationRow): void {
    if (derivation.state === "done") return;
    derivation.state = "waiting";
    derivation.job = null;
    derivation.rounds += 1;
    this.#touched.derivations.add(derivation.drv);
  }

  /** Its verdict was known before, but something needs its outputs: it is built. Attributes keep their verdict. */
  rebuild(derivation: DerivationRow): void {
    if (derivation.state !== "done") return;
    Object.assign(derivation, { state: "ready", job: null, verdict: null, seconds: 0 });
    this.run.openDerivations += 1;
    this.#touched.derivations.add(derivation.drv);
  }

  /** A derivation's verdict, once, and that of each attribute that is it. */
  judgeDerivation(
    derivation: DerivationRow,
    verdict: Verdict,
    seconds: number,
    log: AttributeRow["log"],
    remember: boolean,
    provenance: Provenance | null = null,
  ): void {
    if (derivation.state === "done") return;
    derivation.state = "done";
    derivation.verdict = verdict;
    derivation.seconds = seconds;
    derivation.remember = remember;
    derivation.provenance = provenance;
    this.run.openDerivations -= 1;
    this.#touched.derivations.add(derivation.drv);
    for (const attribute of this.attributesOf(derivation.drv))
      this.judge(attribute, verdict, seconds, log, provenance);
  }

  changes(): Changes {
    return {
      run: this.run,
      counts: [...this.#counts.values()],
      jobs: pick(this.#jobs, this.#touched.jobs),
      attributes: pick(this.#attributes, this.#touched.attributes),
      derivations: pick(this.#derivations, this.#touched.derivations),
    };
  }

  #count(kind: VerdictKind, required: boolean, by: number): void {
    const key = `${kind}:${required}`;
    this.#counts.set(key, { kind, required, by: (this.#counts.get(key)?.by ?? 0) + by });
  }

  #index(attribute: AttributeRow): string {
    const key = attributeKey(attribute.selection, attribute.path);
    this.#attributes.set(key, attribute);
    if (attribute.drv !== null) {
      const keys = this.#byDrv.get(attribute.drv) ?? new Set<string>();
      keys.add(key);
      this.#byDrv.set(attribute.drv, keys);
    }
    return key;
  }

  #touch(key: string): void {
    this.#touched.attributes.add(key);
  }
}

function pick<K, V>(rows: Map<K, V>, keys: Set<K>): V[] {
  const picked: V[] = [];
  for (const key of keys) {
    const row = rows.get(key);
    if (row !== undefined) picked.push(row);
  }
  return picked;
}

/** What a failure comes from: one cause is one failing check, however many attributes hang on it. */
function causeOf(attribute: AttributeRow, verdict: Verdict): string | null {
  if (!rooted(verdict.kind)) return null;
  if (verdict.kind === "dependency-failed") return verdict.cause;
  if (verdict.kind === "failed" || verdict.kind === "hash-mismatch") return verdict.drv;
  if (verdict.kind === "evaluation-error" && verdict.position) {
    const { file, line } = verdict.position;
    return `${file}:${line}:${verdict.message.slice(0, 200)}`;
  }
  return attribute.drv ?? attributeKey(attribute.selection, attribute.path);
}
