import { Refused, created, noContent, notFound, ok } from "../answer.ts";
import type { Actor } from "../auth.ts";
import { numeric, page } from "../call.ts";
import type { Call, Handlers } from "../call.ts";
import { renderApp, renderInstallation } from "../render/account.ts";
import { renderRepository } from "../render/repository.ts";
import type { App, Delivery, Installation, Level, Permissions, Repository } from "../state.ts";

const appOf = (call: Call): App => {
  if (call.actor.kind !== "app") throw new Error(`${call.operation.id} is for App tokens only`);
  return call.actor.app;
};

const installationActor = (call: Call): Actor & { kind: "installation" } => {
  if (call.actor.kind !== "installation")
    throw new Refused(
      403,
      "You must authenticate with an installation access token in order to list repositories for an installation.",
    );
  return call.actor;
};

function ownInstallation(call: Call): Installation {
  const found = call.world.installations.get(numeric(call, "installation_id"));
  if (!found || found.appId !== appOf(call).id) throw notFound();
  return found;
}

interface TokenRequest {
  repositories?: string[];
  repository_ids?: number[];
  permissions?: Permissions;
}

const levels: Level[] = ["read", "write", "admin"];

function narrowed(installation: Installation, wanted: Permissions | undefined): Permissions {
  if (!wanted || Object.keys(wanted).length === 0) return installation.permissions;
  for (const [name, level] of Object.entries(wanted)) {
    const have = name === "metadata" ? "read" : installation.permissions[name];
    if (have === undefined || levels.indexOf(level) > levels.indexOf(have)) {
      throw new Refused(422, "The permissions requested are not granted to this installation.");
    }
  }
  return { metadata: "read", ...wanted };
}

function chosen(call: Call, installation: Installation, body: TokenRequest): Repository[] | null {
  const { world } = call;
  if (!body.repositories && !body.repository_ids) return null;
  const byName = (body.repositories ?? []).map((name) =>
    world.findRepository(world.account(installation.accountId).login, name),
  );
  const byId = (body.repository_ids ?? []).map((id) => world.repositories.get(id));
  return [...byName, ...byId].map((repo) => {
    if (!repo || !world.covers(installation, repo)) {
      throw new Refused(
        422,
        "There is at least one repository that does not exist or is not accessible to the parent installation.",
      );
    }
    return repo;
  });
}

function renderDelivery(delivery: Delivery) {
  return {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: delivery.deliveredAt,
    redelivery: delivery.redelivery,
    duration: delivery.duration,
    status: delivery.status,
    status_code: delivery.statusCode,
    event: delivery.event,
    action: delivery.action,
    installation_id: delivery.installationId,
    repository_id: delivery.repositoryId,
    throttled_at: null,
  };
}

/** GitHub keeps deliveries for three days. */
const kept = 3 * 24 * 3_600_000;

const ownDeliveries = (call: Call): Delivery[] =>
  call.world.deliveries
    .filter(
      (one) =>
        one.appId === appOf(call).id && Date.parse(one.deliveredAt) > call.world.now() - kept,
    )
    .reverse();

function ownDelivery(call: Call): Delivery {
  const found = ownDeliveries(call).find((one) => one.id === numeric(call, "delivery_id"));
  if (!found) throw notFound();
  return found;
}

function installationOn(call: Call, covers: (installation: Installation) => boolean) {
  const found = [...call.world.installations.values()].find(
    (one) => one.appId === appOf(call).id && covers(one),
  );
  if (!found) throw notFound();
  return ok(renderInstallation(call.world, found));
}

const byAccount = (param: string) => (call: Call) =>
  installationOn(
    call,
    (one) =>
      call.world.account(one.accountId).login.toLowerCase() === call.params[param]?.toLowerCase(),
  );

export const apps: Handlers = {
  "apps/get-authenticated": (call) => {
    const count = [...call.world.installations.values()].filter(
      (one) => one.appId === appOf(call).id,
    ).length;
    return ok({ ...renderApp(call.world, appOf(call)), installations_count: count });
  },

  "apps/list-installations": (call) =>
    page(
      call,
      [...call.world.installations.values()].filter((one) => one.appId === appOf(call).id),
      (one) => renderInstallation(call.world, one),
    ),

  "apps/get-installation": (call) => ok(renderInstallation(call.world, ownInstallation(call))),
  "apps/get-repo-installation": (call) =>
    installationOn(call, (one) => call.world.covers(one, call.repo)),
  "apps/get-org-installation": byAccount("org"),
  "apps/get-user-installation": byAccount("username"),

  "apps/create-installation-access-token": (call) => {
    const { world } = call;
    const installation = ownInstallation(call);
    if (installation.suspendedAt) throw new Refused(403, "This installation has been suspended");
    const body = (call.body ?? {}) as TokenRequest;
    const permissions = narrowed(installation, body.permissions);
    const repositories = chosen(call, installation, body);
    const { token, expiresAt } = world.grants.issueInstallationToken(installation, {
      permissions,
      repositories: repositories && new Set(repositories.map((repo) => repo.id)),
    });
    return created({
      token,
      expires_at: world.stamp(expiresAt),
      permissions,
      repository_selection:
        repositories || installation.repositories !== "all" ? "selected" : "all",
      ...(repositories
        ? { repositories: repositories.map((repo) => renderRepository(world, repo)) }
        : {}),
    });
  },

  "apps/revoke-installation-access-token": (call) => {
    call.world.grants.revoke(installationActor(call).token);
    return noContent();
  },

  "apps/list-repos-accessible-to-installation": (call) => {
    const { world } = call;
    const actor = installationActor(call);
    const repos = [...world.repositories.values()].filter(
      (repo) =>
        world.covers(actor.installation, repo) &&
        (actor.repositories === null || actor.repositories.has(repo.id)),
    );
    const selection = actor.installation.repositories === "all" ? "all" : "selected";
    return page(
      call,
      repos,
      (repo) => renderRepository(world, repo),
      (shown, total) => ({
        total_count: total,
        repository_selection: selection,
        repositories: shown,
      }),
    );
  },

  "apps/get-webhook-config-for-app": (call) =>
    ok({
      content_type: "json",
      insecure_ssl: "0",
      secret: "********",
      url: appOf(call).hookUrl ?? "",
    }),

  "apps/list-webhook-deliveries": (call) => {
    const { world, query } = call;
    const wanted = query["status"];
    const good = (one: Delivery): boolean => one.statusCode >= 200 && one.statusCode < 400;
    const all = ownDeliveries(call).filter(
      (one) => wanted === undefined || good(one) === (wanted === "success"),
    );
    // Cursors instead of pages: "v1_<id>" continues below that id.
    const cursor = /^v1_(\d+)$/.exec(String(query["cursor"] ?? ""))?.[1];
    const size = Math.min(Number(query["per_page"] ?? 30), 100);
    const rest = cursor === undefined ? all : all.filter((one) => one.id < Number(cursor));
    const shown = rest.slice(0, size);
    const last = shown.at(-1);
    const next = new URL(call.target, world.url);
    next.searchParams.set("cursor", `v1_${last?.id ?? 0}`);
    const headers: Record<string, string> =
      rest.length > size ? { link: `<${next.href}>; rel="next"` } : {};
    return { status: 200, body: shown.map(renderDelivery), headers };
  },

  "apps/get-webhook-delivery": (call) => {
    const one = ownDelivery(call);
    return ok({
      ...renderDelivery(one),
      url: appOf(call).hookUrl ?? "",
      request: { headers: one.requestHeaders, payload: JSON.parse(one.payload) as unknown },
      response: { headers: one.responseHeaders, payload: one.responseBody },
    });
  },

  "apps/redeliver-webhook-delivery": (call) => {
    call.world.hooks.redeliver(ownDelivery(call));
    return { status: 202, body: {} };
  },
};
