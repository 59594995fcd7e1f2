import { Refused, invalid, noContent, notFound, ok } from "../answer.ts";
import type { Call, Handlers } from "../call.ts";
import { apiUrl } from "../render/repository.ts";
import type { Protection, RequiredCheck } from "../state.ts";

/** Branch protection, the classic rules of one branch. What the double could not keep is refused, not taken in silence. */

interface ChecksInput {
  strict?: boolean;
  contexts?: string[];
  checks?: { context: string; app_id?: number }[];
}

interface ProtectionInput {
  required_status_checks: ChecksInput | null;
  enforce_admins: boolean | null;
  required_pull_request_reviews: { required_approving_review_count?: number } | null;
  restrictions: object | null;
  required_linear_history?: boolean;
  allow_force_pushes?: boolean | null;
  allow_deletions?: boolean;
  lock_branch?: boolean;
}

const branchOf = (call: Call): string => call.params["branch"] ?? "";

function protectionOf(call: Call): Protection {
  const found = call.repo.protections.get(branchOf(call));
  if (!found) throw new Refused(404, "Branch not protected");
  return found;
}

async function mustExist(call: Call): Promise<void> {
  if (!(await call.repo.git.branches()).has(branchOf(call)))
    throw new Refused(404, "Branch not found");
}

/** `checks` wins over `contexts`. app_id -1 is any App; without one it is the App that reported it last, else any. */
function requiredChecks(call: Call, { checks, contexts }: ChecksInput): RequiredCheck[] {
  const { world, repo } = call;
  const lastApp = (context: string): number | null =>
    [...world.checkRuns.values()].findLast((run) => run.repoId === repo.id && run.name === context)
      ?.appId ?? null;
  const wanted =
    checks && checks.length > 0
      ? checks
      : (contexts ?? []).map((context) => ({ context, app_id: undefined }));
  return wanted.map(({ context, app_id: id }) => {
    if (id !== undefined && id !== -1 && !world.apps.has(id))
      throw invalid(`app_id ${id} is no App`);
    return { context, appId: id === -1 ? null : (id ?? lastApp(context)) };
  });
}

const url = (call: Call): string =>
  `${apiUrl(call.world, call.repo)}/branches/${encodeURIComponent(branchOf(call))}/protection`;

export function renderStatusChecks(call: Call, protection: Protection) {
  const self = `${url(call)}/required_status_checks`;
  return {
    url: self,
    strict: protection.strict,
    contexts: protection.checks.map((one) => one.context),
    contexts_url: `${self}/contexts`,
    checks: protection.checks.map((one) => ({ context: one.context, app_id: one.appId })),
  };
}

const renderAdmins = (call: Call, protection: Protection) => ({
  url: `${url(call)}/enforce_admins`,
  enabled: protection.enforceAdmins,
});

function render(call: Call, protection: Protection) {
  const off = { enabled: false };
  return {
    url: url(call),
    ...(protection.checks.length > 0 || protection.strict
      ? { required_status_checks: renderStatusChecks(call, protection) }
      : {}),
    enforce_admins: renderAdmins(call, protection),
    required_linear_history: { enabled: protection.linear },
    allow_force_pushes: { enabled: protection.allowForcePushes },
    allow_deletions: { enabled: protection.allowDeletions },
    required_signatures: { url: `${url(call)}/required_signatures`, enabled: false },
    block_creations: off,
    required_conversation_resolution: off,
    lock_branch: off,
    allow_fork_syncing: off,
  };
}

/** There are no reviews, teams or locks here: a rule that needs them would be a promise nobody keeps. */
function mustBeKept(call: Call, body: ProtectionInput): void {
  const reviews = body.required_pull_request_reviews;
  const lacking =
    (reviews !== null && "required_pull_request_reviews") ||
    (body.restrictions !== null && "restrictions") ||
    (body.lock_branch === true && "lock_branch");
  if (!lacking) return;
  call.world.record({
    kind: "not-implemented",
    actor: call.actor.kind,
    where: call.operation.id,
    detail: lacking,
  });
  throw new Refused(501, `The double does not implement ${lacking}; send null or false`);
}

export const protection: Handlers = {
  "repos/get-branch-protection": (call) => ok(render(call, protectionOf(call))),

  "repos/update-branch-protection": async (call) => {
    await mustExist(call);
    const body = call.body as ProtectionInput;
    mustBeKept(call, body);
    const made: Protection = {
      checks: requiredChecks(call, body.required_status_checks ?? {}),
      strict: body.required_status_checks?.strict === true,
      enforceAdmins: body.enforce_admins === true,
      linear: body.required_linear_history === true,
      allowForcePushes: body.allow_force_pushes === true,
      allowDeletions: body.allow_deletions === true,
    };
    call.repo.protections.set(branchOf(call), made);
    return ok(render(call, made));
  },

  "repos/delete-branch-protection": (call) => {
    protectionOf(call);
    call.repo.protections.delete(branchOf(call));
    return noContent();
  },

  "repos/get-status-checks-protection": (call) => ok(renderStatusChecks(call, protectionOf(call))),

  "repos/update-status-check-protection": (call) => {
    const known = protectionOf(call);
    const body = (call.body ?? {}) as ChecksInput;
    known.strict = body.strict ?? known.strict;
    if (body.checks ?? body.contexts) known.checks = requiredChecks(call, body);
    return ok(renderStatusChecks(call, known));
  },

  "repos/remove-status-check-protection": (call) => {
    const known = protectionOf(call);
    if (known.checks.length === 0) throw notFound();
    Object.assign(known, { checks: [], strict: false });
    return noContent();
  },

  "repos/get-admin-branch-protection": (call) => ok(renderAdmins(call, protectionOf(call))),

  "repos/set-admin-branch-protection": (call) => {
    protectionOf(call).enforceAdmins = true;
    return ok(renderAdmins(call, protectionOf(call)));
  },

  "repos/delete-admin-branch-protection": (call) => {
    protectionOf(call).enforceAdmins = false;
    return noContent();
  },
};
