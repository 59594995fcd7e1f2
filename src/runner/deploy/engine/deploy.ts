import type { MachineOutcome } from "../../../protocol/machine.ts";
import { type DeployParts, describeFault, short, untouched } from "./parts.ts";
import { prepare } from "./prepare.ts";
import { settle } from "./settle.ts";
import { bringSourcesBack } from "./tool.ts";

/** Most that an outcome carries. */
const NOTICES = 32;

/**
 * Puts one system on one machine, by Snowcat's own activation or by a tool between its guards, and answers how the machine ended. It returns for
 * everything that machine, link, closure or system do; what it throws is a fault of the runner.
 */
export async function deployMachine(parts: DeployParts): Promise<MachineOutcome> {
  const prepared = await prepare(parts);
  if (prepared.kind === "ended") return prepared.outcome;
  const { running } = prepared;
  if (!parts.seal()) {
    const closed = await parts.beyond.end({ counter: parts.work.counter });
    if (closed.kind !== "done") parts.say(`not closed on the machine: ${describeFault(closed)}`);
    return untouched("dry-activate", "it was cancelled before the activation", running);
  }
  const notice = await bringSourcesBack(parts);
  const outcome = await settle(parts, running);
  if (outcome.kind !== "active") return outcome;
  const told = parts.tool?.module.notices?.(parts.tool.place) ?? [];
  const notices = [...outcome.notices, ...(notice === null ? [] : [notice]), ...told];
  return { ...outcome, notices: notices.slice(0, NOTICES).map(short) };
}
