import {
  type Impact,
  impactHeadline,
  labelOf,
  ORDER,
  revisionNote,
  type ShownMachine,
  size,
} from "../../core/impact/index.ts";
import { plain } from "../../core/report/index.ts";
import type { MachineDifference } from "../../protocol/impact.ts";

/** What a pull request changes: every machine that was compared, and what changes inside of it. */
export function ImpactPart({ impact }: { impact: Impact }) {
  const { base, built, state, difference, machines, uncovered, revision } = impact;
  const note = revisionNote(revision);
  return (
    <section id="impact">
      <h2>Impact</h2>
      {state.kind === "unknown" || difference === null ? (
        <p>Unknown. {state.kind === "unknown" ? plain(state.why) : ""}</p>
      ) : (
        <>
          <p>
            <strong>{impactHeadline(difference, machines).replaceAll("**", "")}</strong>
          </p>
          <p>
            Attributes: {difference.changed} changed, {difference.added} added, {difference.removed}{" "}
            removed, {difference.revision ?? 0} changed by the revision alone, of {difference.of}
          </p>
          <Names difference={difference} />
          {note === null ? null : <p>{note}</p>}
          {state.looking ? <p>What changes inside the machines is being looked at.</p> : null}
          {state.left === null ? null : (
            <p>Machines without details were not looked into: {plain(state.left)}</p>
          )}
          <Machines machines={machines} />
        </>
      )}
      {uncovered.length === 0 ? null : (
        <p>
          Declared in the configuration or named in the inventory, and not covered:{" "}
          {uncovered.map((name) => (
            <>
              <code>{plain(name)}</code>{" "}
            </>
          ))}
        </p>
      )}
      <p>
        <code>{built}</code> against {base === null ? "its base" : <code>{base}</code>}
      </p>
    </section>
  );
}

function Names({ difference: { names } }: { difference: NonNullable<Impact["difference"]> }) {
  if (names.length === 0) return null;
  return (
    <details>
      <summary>Some of them</summary>
      <ul>
        {names.map(({ kind, name }) => (
          <li>
            {kind}: <code>{plain(name)}</code>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** What needs looking at first, what stays as it is last. */
function Machines({ machines }: { machines: readonly ShownMachine[] }) {
  if (machines.length === 0) return null;
  const rank = ({ change }: ShownMachine) =>
    ORDER.includes(change) ? ORDER.indexOf(change) : ORDER.length;
  return (
    <table>
      <tr>
        <th>machine</th>
        <th>tags</th>
        <th>what</th>
        <th>inside</th>
      </tr>
      {machines
        .toSorted((a, b) => rank(a) - rank(b))
        .map((machine) => (
          <tr>
            <td>
              <code>{plain(labelOf(machine))}</code>
            </td>
            <td>{plain(machine.tags.join(", "))}</td>
            <td>
              {WORDS[machine.change]}
              {machine.error === null ? null : (
                <>
                  : <code>{plain(machine.error)}</code>
                </>
              )}
            </td>
            <td>{machine.difference === null ? null : <Inside of={machine.difference} />}</td>
          </tr>
        ))}
    </table>
  );
}

const WORDS: Record<ShownMachine["change"], string> = {
  broken: "cannot be evaluated",
  faulty: "cannot be evaluated, as on the base",
  repaired: "can be evaluated again",
  changed: "changed",
  revision: "changed by the revision alone",
  added: "added",
  removed: "removed",
  same: "unchanged",
};

function Inside({ of: { before, after, derivation, closure } }: { of: MachineDifference }) {
  return (
    <details>
      <summary>
        {closure.kind === "unknown"
          ? "closure not known"
          : `${closure.before.paths} → ${closure.after.paths} paths, ${size(closure.before.bytes)} → ${size(closure.after.bytes)}`}
      </summary>
      <p>
        <code>{before}</code> → <code>{after}</code>
      </p>
      {derivation.kind === "unknown" ? (
        <p>What the derivation is built from was not compared: {plain(derivation.why)}</p>
      ) : (
        <>
          <p>
            Direct inputs: {derivation.changed} changed, {derivation.added} added,{" "}
            {derivation.removed} removed
          </p>
          <ul>
            {derivation.inputs.map(({ before: was, after: is }) => (
              <li>
                <Moved was={was} is={is} />
              </li>
            ))}
          </ul>
          {derivation.origins.length === 0 ? null : (
            <p>It begins with{derivation.bounded ? ", among others" : ""}:</p>
          )}
          <ul>
            {derivation.origins.map(({ before: was, after: is, differs }) => (
              <li>
                <Moved was={was} is={is} />: {plain(differs.join(", "))}
              </li>
            ))}
          </ul>
        </>
      )}
      {closure.kind === "unknown" ? (
        <p>The closures were not compared: {plain(closure.why)}</p>
      ) : (
        <table>
          <tr>
            <th>package</th>
            <th>before</th>
            <th>after</th>
            <th>size</th>
          </tr>
          {closure.packages.map(({ name, before: was, after: is, bytes }) => (
            <tr>
              <td>
                <code>{plain(name)}</code>
              </td>
              <td>{versions(was)}</td>
              <td>{versions(is)}</td>
              <td>{bytes === 0 ? "" : `${bytes > 0 ? "+" : "−"}${size(Math.abs(bytes))}`}</td>
            </tr>
          ))}
        </table>
      )}
    </details>
  );
}

function Moved({ was, is }: { was: string | null; is: string | null }) {
  if (was === null) return <span>{plain(is ?? "")} added</span>;
  if (is === null) return <span>{plain(was)} removed</span>;
  return <span>{was === is ? plain(is) : `${plain(was)} → ${plain(is)}`}</span>;
}

function versions(list: readonly string[]): string {
  if (list.length === 0) return "–";
  return plain(list.map((version) => (version === "" ? "(no version)" : version)).join(", "));
}
