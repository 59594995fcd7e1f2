import type { Environment } from "../environment.ts";
import { NOBODY } from "../github/webhook.ts";
import { objectName } from "../objects/contracts.ts";

/** Pages of 100 that one sweep reads; a longer log is read on by the next. */
const PAGES = 20;
/** Deliveries that one sweep asks for. */
const MOST = 100;
/** The Writer that speaks for the App alone: deliveries are the App's, also while it is installed nowhere. */
const APP = 0;

export type Brought = {
  /** Deliveries that GitHub was asked to bring again. */
  asked: number;
  /** Asked for in vain too often: nobody will ask again. */
  givenUp: number;
  /** GitHub's rate limit: until when (Unix ms) it is left alone. Null: there was none. */
  waitsUntil: number | null;
};

/**
 * Looks for deliveries that GitHub could not bring, and asks for them again. What it finds out is kept with each answer,
 * so that a sweep that is cut short anywhere is gone on with by the next.
 *
 * @throws where GitHub gave no answer, or none that can be used; what was done until then stays done.
 */
export async function bringMissed(env: Environment, now: number): Promise<Brought> {
  const book = env.ACCOUNT.getByName(objectName.account(env.GITHUB_HOST, NOBODY));
  const writer = env.WRITER.getByName(objectName.writer(env.GITHUB_HOST, APP));
  const brought: Brought = { asked: 0, givenUp: 0, waitsUntil: null };
  let walk = await book.missedWalk();
  if (walk.pausedUntil > now) return { ...brought, waitsUntil: walk.pausedUntil };
  const waits = async (retryAfter: number): Promise<Brought> => {
    const waitsUntil = now + retryAfter;
    await book.pauseMissed(waitsUntil);
    console.warn(JSON.stringify({ what: "missed deliveries wait for GitHub's limit", waitsUntil }));
    return { ...brought, waitsUntil };
  };

  for (let page = 0; page < PAGES; page += 1) {
    const answer = await writer.deliveries(walk.cursor);
    if (!answer.ok) {
      if (answer.kind === "limited") return waits(answer.retryAfter);
      // A place in a log that has moved on.
      if (answer.kind === "refused" && walk.cursor !== null) await book.restartMissed();
      throw new Error(`the log of deliveries could not be read: ${answer.reason}`);
    }
    const { attempts, next } = answer.value;
    walk = { ...walk, ...(await book.noteMissed(attempts, next, now)) };
    if (walk.cursor === null) break;
  }

  const problems: string[] = [];
  for (const { guid, id } of await book.dueMissed(now, MOST)) {
    const answer = await writer.redeliver(id);
    if (!answer.ok && answer.kind === "limited") return waits(answer.retryAfter);
    // Without an answer it is asked for again at once: GitHub's own id makes two of it one.
    if (!answer.ok && answer.kind === "unknown") {
      problems.push(answer.reason);
      continue;
    }
    brought.asked += answer.ok ? 1 : 0;
    if (await book.askedForMissed(guid, now)) continue;
    brought.givenUp += 1;
    console.error(JSON.stringify({ what: "a delivery is given up", guid, id }));
  }
  if (problems.length > 0)
    throw new Error(`${problems.length} deliveries could not be asked for: ${problems[0] ?? ""}`);
  return brought;
}
