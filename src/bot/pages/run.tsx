import type { Evidence, Flake, LogPlace } from "../../core/flakiness/index.ts";
import type { Impact } from "../../core/impact/index.ts";
import { plain } from "../../core/report/index.ts";
import { conclusion, word } from "../../core/verdict/index.ts";
import { runOf } from "../../protocol/identifiers.ts";
import type { Provenance } from "../../protocol/provenance.ts";
import type { Verdict } from "../../protocol/verdict.ts";
import type { AttributeView, RunView } from "../objects/contracts.ts";
import { ImpactPart } from "./impact.tsx";
import { Layout } from "./layout.tsx";

/** Attributes on one page. */
export const PAGE = 500;

/** A log that is still written. */
export type LiveLog = { job: string; attempt: number; stream: string };

export type RunPageProps = {
  view: RunView;
  attributes: AttributeView[];
  live: LiveLog[];
  /** Null where nothing was compared, and on further pages. */
  impact: Impact | null;
  after: number;
  banner: string | undefined;
};

export function RunPage({ view, attributes, live, impact, after, banner }: RunPageProps) {
  const { owner, name } = view.identity.repository;
  const more = attributes.length === PAGE ? attributes.at(-1)?.index : undefined;
  return (
    <Layout title={`${owner}/${name} run ${view.run}`} banner={banner}>
      <h1>
        {owner}/{name}: run {view.run}
      </h1>
      <Facts view={view} />
      {view.notices.length > 0 ? <h2>Notices</h2> : null}
      <ul>
        {view.notices.map((notice) => (
          <li>
            <code>{plain(notice)}</code>
          </li>
        ))}
      </ul>
      {impact === null ? null : <ImpactPart impact={impact} />}
      <h2>Jobs</h2>
      <table>
        <tr>
          <th>job</th>
          <th>kind</th>
          <th>state</th>
          <th>attempt</th>
          <th>runner</th>
          <th>verdict</th>
          <th>log</th>
        </tr>
        {view.jobs.map(({ job, kind, state, attempt, runner, verdict }) => (
          <tr>
            <td>{job}</td>
            <td>{kind}</td>
            <td>{state}</td>
            <td>{attempt}</td>
            <td>{runner ?? ""}</td>
            <td>
              <Judged verdict={verdict} required={true} />
            </td>
            <td>{attempt > 0 ? <a href={logPath(view.run, job, attempt, "job")}>log</a> : null}</td>
          </tr>
        ))}
      </table>
      {live.length > 0 ? <h2>Logs being written</h2> : null}
      <ul>
        {live.map(({ job, attempt, stream }) => (
          <li>
            <a href={logPath(view.run, job, attempt, stream)}>{stream}</a>
          </li>
        ))}
      </ul>
      <h2>Attributes</h2>
      <p>
        <a href={`/runs/${view.run}/attributes.json`}>as JSON</a>, with the signatures of their
        builders
      </p>
      <table>
        <tr>
          <th>attribute</th>
          <th>system</th>
          <th>required</th>
          <th>verdict</th>
          <th>time</th>
          <th>log</th>
          <th>built by</th>
        </tr>
        {attributes.map((attribute) => (
          <Attribute run={view.run} attribute={attribute} />
        ))}
      </table>
      <p>
        {after > 0 ? <a href={`/runs/${view.run}`}>first page</a> : null}{" "}
        {more === undefined ? null : <a href={`/runs/${view.run}?after=${more}`}>next {PAGE}</a>}
      </p>
    </Layout>
  );
}

function Facts({ view }: { view: RunView }) {
  const { reason } = view;
  return (
    <dl>
      <dt>State</dt>
      <dd>
        {view.state}
        {view.conclusion === null ? "" : `: ${view.conclusion}`}
      </dd>
      <dt>Reason</dt>
      <dd>
        {reason.kind === "pull_request"
          ? `pull request ${reason.number}`
          : reason.kind === "push"
            ? `push to ${plain(reason.ref)}`
            : reason.kind === "deploy"
              ? deployReason(reason)
              : `merge queue ${plain(reason.headRef)}`}{" "}
        {reason.kind === "deploy" ? (
          <a href={`/fleet/${view.identity.repository.id}`}>machines</a>
        ) : null}
      </dd>
      <dt>Head</dt>
      <dd>
        <code>{view.head}</code>
      </dd>
      <dt>Built</dt>
      <dd>
        <code>{view.merge ?? view.head}</code>{" "}
        {view.tree === null ? null : <span>(tree {view.tree})</span>}
      </dd>
      <dt>Pool</dt>
      <dd>{view.pool ?? "none"}</dd>
      <dt>Verdicts</dt>
      <dd>
        {Object.entries(view.counts)
          .map(([kind, count]) => `${count} ${kind}`)
          .join(", ") || "none yet"}
      </dd>
      <dt>Started</dt>
      <dd>{new Date(view.createdAt).toISOString()}</dd>
      <dt>Finished</dt>
      <dd>{view.finishedAt === null ? "not yet" : new Date(view.finishedAt).toISOString()}</dd>
    </dl>
  );
}

function deployReason({ what, pull, begun }: Extract<RunView["reason"], { kind: "deploy" }>) {
  const of = pull === null ? "" : ` for pull request ${pull}`;
  const by = begun === undefined ? "" : `, begun by ${begun.by}`;
  const rollout = begun?.rollout == null ? "" : ` for the rollout ${plain(begun.rollout)}`;
  return `${what.kind}${of}${by}${rollout}`;
}

function Attribute({ run, attribute }: { run: string; attribute: AttributeView }) {
  const { name, system, required, verdict, seconds, log, provenance, flake } = attribute;
  return (
    <tr>
      <td>
        <code>{plain(name)}</code>
      </td>
      <td>{system ?? ""}</td>
      <td>{required ? "yes" : "no"}</td>
      <td>
        <Judged verdict={verdict} required={required} />
        {flake == null ? null : <Past flake={flake} />}
      </td>
      <td>{seconds > 0 ? `${seconds.toFixed(1)} s` : ""}</td>
      <td>
        {log === null ? null : (
          <a href={placePath(log)}>{runOf(log.job) === run ? "log" : "log of an earlier run"}</a>
        )}
      </td>
      <td>{provenance == null ? "" : <Built provenance={provenance} />}</td>
    </tr>
  );
}

/** That it is flaky, with what was printed when it failed and when it passed; or that its attribute was before. */
function Past({ flake: { proof, times } }: { flake: Flake }) {
  if (proof === null)
    return <span class="warn"> known to be flaky: {times} of its derivations were of late</span>;
  const { failed, passed, failures, passes } = proof;
  return (
    <span class="warn">
      {" "}
      flaky: <Told evidence={failed} as="failed" />, <Told evidence={passed} as="passed" /> (failed
      in {failures} of {failures + passes} builds
      {times > 1 ? `; ${times} derivations of it were flaky of late` : ""})
    </span>
  );
}

function Told({ evidence: { run, log }, as }: { evidence: Evidence; as: string }) {
  return <a href={log === null ? `/runs/${run}` : placePath(log)}>{as}</a>;
}

/** Who has signed for it. All of the statement, and what checks it, is in the run's JSON. */
function Built({ provenance }: { provenance: Provenance }) {
  const { runner, sha, outputs } = provenance;
  return (
    <details>
      <summary>{runner}</summary>
      <p>
        of <code>{sha}</code>
      </p>
      {outputs.map(({ name, path, narHash, narSize }) => (
        <p>
          {plain(name)}: <code>{plain(path)}</code> <code>{narHash}</code> ({narSize} bytes)
        </p>
      ))}
    </details>
  );
}

function Judged({ verdict, required }: { verdict: Verdict | null; required: boolean }) {
  if (verdict === null) return <span>pending</span>;
  const outcome = conclusion(verdict.kind, required);
  const style =
    outcome === "success"
      ? "good"
      : outcome === "failure" || outcome === "timed_out"
        ? "bad"
        : outcome === "neutral"
          ? ""
          : "warn";
  return (
    <span class={style}>
      {word(verdict.kind)}
      {verdict.kind === "evaluation-error" && verdict.position
        ? ` at ${plain(verdict.position.file)}:${verdict.position.line}`
        : ""}
    </span>
  );
}

/** A log of whichever run. */
function placePath({ job, attempt, stream }: LogPlace): string {
  return logPath(runOf(job), job, attempt, stream);
}

export function logPath(run: string, job: string, attempt: number, stream: string): string {
  return `/runs/${run}/logs/${job}/${attempt}/${encodeURIComponent(stream)}`;
}
