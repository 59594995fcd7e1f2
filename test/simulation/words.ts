import type { Api } from "./github/api.ts";
import type { Repository, Truth } from "./github/truth.ts";
import type { History } from "./history.ts";
import type { Findings } from "./oracle.ts";

type Said = History["said"][number];
const FINAL = ["+1", "-1", "confused"];
/** Newest commands that the one comment shows. */
const SHOWN = 20;
/** What a commit's configuration may declare, as people made it up. */
const DECLARED = /tests\.(test-\d+)/gu;

/**
 * Whoever said something to Snowcat is answered, once: eyes when it was seen, one more reaction when it is done, a line
 * of the pull request's one comment. Whoever said something else is left alone. And that comment says of the configuration
 * what the head does to it, and nothing of the heads before.
 */
export function judgeWords(
  { truth, history, api }: { truth: Truth; history: History; api: Api },
  found: Findings,
): void {
  for (const said of history.said) reactions(said, api, found);
  for (const repository of truth.repositories)
    for (const { number } of repository.pulls.values()) {
      const marker = `<!-- snowcat comment:${repository.id}:${number} -->`;
      const text = api.comments.find(
        ({ repository: of, issue, body }) =>
          of === repository.id && issue === number && body.startsWith(marker),
      )?.body;
      const presses = truth.checks
        .filter(({ repository: of }) => of === repository.id)
        .reduce((sum, { id }) => sum + history.presses(id), 0);
      commands(repository, number, text ?? "", { history, presses }, found);
      configuration(truth, history, repository, number, text ?? "", found);
    }
}

/** Lines that begin with a slash are commands, or were meant as such. */
function asks({ body }: Said): number {
  return body.split("\n").filter((line) => line.startsWith("/")).length;
}

function reactions(said: Said, api: Api, found: Findings): void {
  const where = `${said.repository} #${said.pull} ${JSON.stringify(said.body)} (${said.id})`;
  const given = api.reactions.filter(({ comment }) => comment === said.id);
  const contents = given.map(({ content }) => content).toSorted();
  if (asks(said) === 0) {
    if (contents.length > 0) found.wrong.push(`${where} is no command and got ${contents.join()}`);
    return;
  }
  if (!contents.includes("eyes")) found.lost.push(`${where} was never seen`);
  const last = contents.filter((content) => FINAL.includes(content));
  if (last.length === 0) found.lost.push(`${where} was never answered`);
  if (last.length > 1) found.doubled.push(`${where} was answered ${last.join(" and ")}`);
}

function commands(
  { id, name }: Repository,
  number: number,
  text: string,
  { history, presses }: { history: History; presses: number },
  found: Findings,
): void {
  const said = history.said.filter((one) => one.repository === id && one.pull === number);
  // Deliveries come in any order, and buttons take lines as well: of a pull request with many, anything may be left out.
  const lines = said.reduce((sum, one) => sum + asks(one), presses);
  if (lines > SHOWN) return;
  for (const one of said) {
    const told = text.split(`(#issuecomment-${one.id})`).length - 1;
    const where = `${name} #${number}: ${JSON.stringify(one.body)} (${one.id})`;
    if (told < asks(one)) found.lost.push(`${where} is not in the comment`);
    if (told > asks(one)) found.doubled.push(`${where} is ${told} times in the comment`);
  }
  if (text.includes("⏳")) found.lost.push(`${name} #${number}: the comment still waits`);
}

function configuration(
  truth: Truth,
  history: History,
  repository: Repository,
  number: number,
  text: string,
  found: Findings,
): void {
  const pull = repository.pulls.get(number);
  if (pull === undefined || !pull.open || pull.fork) return;
  const head = truth.find(pull.head);
  // Nothing is read of what cannot be merged, or was ended before anybody looked.
  if (head.conflicts || history.wasCancelled(repository.id, pull.head)) return;
  const told = new Set([...text.matchAll(DECLARED)].map(([, test]) => test));
  const where = `${repository.name} #${number}, ${pull.head.slice(0, 8)}`;
  if (head.declares !== null && !told.has(head.declares))
    found.lost.push(`${where}: nobody is told that it declares ${head.declares}`);
  for (const test of told)
    if (test !== head.declares)
      found.wrong.push(`${where}: said to declare ${test}, not ${head.declares ?? "anything"}`);
}
