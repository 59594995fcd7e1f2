import type { Attribute, AttributeResult } from "../../../protocol/attribute.ts";
import { attributeName } from "../../../protocol/attribute.ts";
import type { Selection, TreeSpecification } from "../../../protocol/specification.ts";
import type { Sink } from "../../agent/sink.ts";
import type { Branch, Good, RootTable } from "./table.ts";

/** Branches of the merge queue live for minutes. */
const QUEUE = /^refs\/heads\/gh-readonly-queue\//u;

/** The branch whose last good outputs a job may set; null for pull requests and the merge queue. */
export function branchOf({ repository, work }: TreeSpecification): Branch | null {
  const { ref } = work.source;
  if (!ref.startsWith("refs/heads/") || QUEUE.test(ref)) return null;
  return { repository: repository.id, name: `${repository.owner}/${repository.name}`, ref };
}

/** What one job finds out for a branch. */
export interface Rooting {
  readonly sink: Sink;
  /** The job came to its end. `whole`: the evaluation succeeded, so that what it did not name is not there any more. */
  finish(whole: boolean): Promise<void>;
}

/**
 * A sink that makes a root of what is good before anybody is told that it is.
 * @param valid which of these store paths are there: what an evaluation names may have been built long ago, and be good
 *   by the control plane's memory alone.
 * @param now Unix time (ms).
 */
export function rooting(
  table: RootTable,
  branch: Branch,
  { work }: TreeSpecification,
  sink: Sink,
  valid: (paths: readonly string[]) => Promise<(path: string) => boolean>,
  now: () => number,
): Rooting {
  const labels = work.selections.map(labelOf);
  const nameOf = ({ selection, path }: Pick<Attribute, "selection" | "path">): string =>
    `${labels[selection] ?? selection}#${attributeName(path)}`;
  const evaluated = new Set<string>();
  const named: Good[] = [];
  return {
    sink: {
      async attributes(list) {
        for (const attribute of list) {
          const name = nameOf(attribute);
          evaluated.add(name);
          if (attribute.result.kind !== "derivation") continue;
          for (const [output, path] of Object.entries(attribute.result.derivation.outputs))
            if (path !== null) named.push({ attribute: name, output, path });
        }
        await sink.attributes(list);
      },
      async results(list) {
        await table.keep(
          branch,
          list.flatMap((result) => goodOf(result, nameOf(result))),
          now(),
        );
        await sink.results(list);
      },
      evaluated: (summary) => sink.evaluated(summary),
      impact: (difference) => sink.impact(difference),
      machine: (news) => sink.machine(news),
      log: (stream) => sink.log(stream),
    },
    async finish(whole) {
      if (work.kind !== "evaluate") return;
      const news = named.filter((one) => !table.keeps(branch, one));
      if (news.length > 0) {
        const there = await valid([...new Set(news.map(({ path }) => path))]);
        await table.keep(
          branch,
          news.filter(({ path }) => there(path)),
          now(),
        );
      }
      if (whole) await table.retain(branch, evaluated, now());
    },
  };
}

function goodOf({ verdict, attestation }: AttributeResult, attribute: string): Good[] {
  if (verdict.kind !== "succeeded") return [];
  return (attestation?.outputs ?? []).map(({ name, path }) => ({ attribute, output: name, path }));
}

function labelOf(selection: Selection): string {
  return selection.kind === "flake" ? selection.directory || "." : selection.file;
}
