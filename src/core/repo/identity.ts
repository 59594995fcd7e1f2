import type { Event } from "../event/event.ts";
import type { RepositoryIdentity } from "./request.ts";
import type { Decision, Slice } from "./rows.ts";

/** The delivery speaks for another owner than the object knows. Taken up again when a transfer says so. */
export class ForeignOwner extends Error {
  override name = "ForeignOwner";
}

/**
 * Who the repository is after this event. Its id is fixed. Owner, names and visibility follow what GitHub says newest, by
 * the repository's own time; another owner in a payload that is not newer is a delivery from before a transfer. Null as long as no event has brought an installation.
 */
export function identify(
  slice: Slice,
  event: Event,
  host: string,
  decision: Decision,
): RepositoryIdentity | null {
  const { repository } = event;
  if (repository === null) return slice.identity;
  const known = slice.identity;
  if (known !== null && known.repository.id !== repository.id) {
    throw new Error(
      `the event is about repository ${repository.id}, the object about ${known.repository.id}`,
    );
  }
  const transferred = event.what.kind === "repository" && event.what.action === "transferred";
  const newer = repository.updatedAt !== null && repository.updatedAt > (slice.identityAt ?? "");
  if (known !== null && known.account.id !== repository.owner.id && !transferred && !newer) {
    throw new ForeignOwner(
      `the event names owner ${repository.owner.id}, the repository belongs to ${known.account.id}`,
    );
  }
  const installation = event.installation ?? known?.installation;
  if (installation === undefined) return null;
  const identity: RepositoryIdentity = {
    host,
    account: { id: repository.owner.id, login: repository.owner.login },
    installation,
    repository: {
      id: repository.id,
      owner: repository.owner.login,
      name: repository.name,
      private: repository.private,
      defaultBranch: repository.defaultBranch || (known?.repository.defaultBranch ?? ""),
      cloneUrl: repository.cloneUrl,
    },
  };
  const named =
    event.what.kind === "repository" ||
    newer ||
    known === null ||
    known.installation !== installation;
  if (!named || JSON.stringify(identity) === JSON.stringify(known)) return known;
  decision.changes.push({ kind: "identity", identity, updatedAt: repository.updatedAt });
  if (known !== null && known.account.id !== identity.account.id) {
    decision.changes.push({ kind: "forget-verdicts", pools: "all" });
    decision.effects.push({ kind: "withdraw", account: known.account.id });
  }
  if (known !== null && known.repository.defaultBranch !== identity.repository.defaultBranch)
    decision.changes.push({ kind: "policy-stale" });
  decision.effects.push({ kind: "publish" });
  return identity;
}
