import type { RunView } from "../objects/contracts.ts";
import { Layout } from "./layout.tsx";
import { logPath } from "./run.tsx";

export type LogPageProps = {
  view: RunView;
  job: string;
  attempt: number;
  stream: string;
  from: number;
  next: number;
  text: string;
  closed: { size: number; sha256: string; dropped: number } | null;
  banner: string | undefined;
};

/** One stream of one attempt, from an offset; the script follows it while it is written. */
export function LogPage({
  view,
  job,
  attempt,
  stream,
  from,
  next,
  text,
  closed,
  banner,
}: LogPageProps) {
  const path = logPath(view.run, job, attempt, stream);
  const whole = closed !== null && next >= closed.size;
  return (
    <Layout
      title={`${stream}: run ${view.run}`}
      banner={banner}
      script={!whole}
      refresh={whole ? null : { seconds: 2, url: `${path}?from=${next}` }}
    >
      <h1>{stream}</h1>
      <p>
        <a href={`/runs/${view.run}`}>Run {view.run}</a>, job {job}, attempt {attempt}:{" "}
        <span id="state">{closed === null ? "being written" : "closed"}</span>
        {closed === null ? "" : `, ${closed.size} bytes`}
        {closed !== null && closed.dropped > 0
          ? `, ${closed.dropped} bytes above the cap were cut out`
          : ""}
      </p>
      {from > 0 ? (
        <p>
          <a href={path}>from the beginning</a>
        </p>
      ) : null}
      {whole ? (
        <pre>{text}</pre>
      ) : (
        <pre data-next={String(next)} data-raw={`${path}/raw`}>
          {text}
        </pre>
      )}
      {closed === null ? null : (
        <p>
          SHA-256 of what was sent: <code>{closed.sha256}</code>
        </p>
      )}
    </Layout>
  );
}
