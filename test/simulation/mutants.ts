/** A deliberate fault: the one place in a source file where it is planted, when the simulation's bundle is made. */
export type Mutant = { name: string; what: string; file: string; from: string; to: string };

export const mutants: readonly Mutant[] = [
  {
    name: "ack-before-commit",
    what: "a delivery is answered before it is stored",
    file: "src/bot/github/webhook.ts",
    from: "return answer(202, await hand(env, about, delivery));",
    to: 'void hand(env, about, delivery).catch(() => {}); return answer(202, { outcome: "stored" });',
  },
  {
    name: "no-dedupe",
    what: "a delivery that comes twice is handled twice",
    file: "src/bot/objects/inbox/inbox.ts",
    from: "delivery.id,\n      delivery.event,",
    to: "delivery.id + crypto.randomUUID(),\n      delivery.event,",
  },
  {
    name: "no-lookup",
    what: "a request whose answer was lost is made again without looking for what it did",
    file: "src/core/writer/settle.ts",
    from: 'return { ...row, state: "unknown", failures, dueAt: now + wait };',
    to: 'return { ...row, state: row.checkRun === null ? "idle" : "unknown", failures, dueAt: now + wait };',
  },
  {
    name: "one-lookup",
    what: "one look into a list that lags is believed",
    file: "src/core/writer/settle.ts",
    from: "const wait = LOOKUPS[lookups];",
    to: "const wait = undefined as number | undefined;",
  },
  {
    name: "no-recovery",
    what: "a request that was on its way when the object died is taken for not sent",
    file: "src/core/writer/settle.ts",
    from: '? { ...row, state: "unknown", lookups: 0, dueAt: now } : row;',
    to: '? { ...row, state: "idle", lookups: 0, dueAt: now } : row;',
  },
  {
    name: "limit-is-final",
    what: "a rate limit is taken for a refusal",
    file: "src/bot/objects/writer/send.ts",
    from: 'return { outcome: { kind: "limited" }, problem: failure.reason };',
    to: 'return { outcome: { kind: "refused" }, problem: failure.reason };',
  },
  {
    name: "late-push-wins",
    what: "the push that comes last counts, whatever was pushed last",
    file: "src/core/repo/push.ts",
    from: "if (isStale(row, slice.head)) return;",
    to: "isStale(row, slice.head);",
  },
  {
    name: "effect-before-commit",
    what: "an effect is forgotten although it failed",
    file: "src/bot/objects/inbox/due.ts",
    from: "let retryAfter = pauseAfter(row.tries);",
    to: 'let retryAfter = pauseAfter(row.tries); this.#storage.sql.exec("DELETE FROM due WHERE id = ?", row.id);',
  },
  {
    name: "version-used-twice",
    what: "a wish whose answer was lost gives its number to the next one",
    file: "src/bot/objects/run/report.ts",
    from: "  keep(false);\n",
    to: "",
  },
  {
    name: "nobody-sweeps",
    what: "missed deliveries are not asked for",
    file: "src/bot/github/client/deliveries.ts",
    from: "return [...latest].flatMap(",
    to: "return [...latest].slice(0, 0).flatMap(",
  },
  {
    name: "cancelled-on-top",
    what: "a run is cancelled although its commit is judged for another reason",
    file: "src/core/repo/start.ts",
    from: "if (!yields && !isFork(row.reason) && this.own(row.reason).length > 0) return;",
    to: "",
  },
];
