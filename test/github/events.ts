import { createHmac, randomUUID } from "node:crypto";
import type { Account, App, Delivery, Installation, Repository } from "./state.ts";
import { nodeId, renderInstallation, renderOrganization, renderUser } from "./render/account.ts";
import { renderRepository } from "./render/repository.ts";
import { webhookFault } from "./validate.ts";
import type { World } from "./world.ts";

/** GitHub gives up after 10 s; it never tries again by itself. */
const answerWithin = 10_000;

/** Which permission lets an App hear an event. */
const permissionFor: Record<string, string[]> = {
  push: ["contents"],
  create: ["contents"],
  delete: ["contents"],
  pull_request: ["pull_requests"],
  issue_comment: ["issues", "pull_requests"],
  check_run: ["checks"],
  check_suite: ["checks"],
  status: ["statuses"],
  merge_group: ["merge_queues", "contents"],
  deployment: ["deployments"],
  deployment_status: ["deployments"],
  fork: ["contents"],
  member: ["members"],
  issues: ["issues"],
  // Metadata, which every App may read.
  repository: [],
  public: [],
  // Reach every App, asked for or not.
  installation: [],
  installation_repositories: [],
};

export interface Emission {
  event: string;
  action: string | null;
  payload: Record<string, unknown>;
  sender: Account;
}

/** Webhook deliveries: one POST each, signed, recorded, in no promised order. */
export class Hooks {
  readonly #world: World;
  readonly #underWay = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #held: Delivery[] | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /** Sends to every App that is installed on the repository, subscribed and permitted; `only` narrows to one App. */
  emit(repo: Repository, emission: Emission, only?: number): void {
    for (const installation of this.#world.installationsOn(repo)) {
      if (only !== undefined && installation.appId !== only) continue;
      const wanted = permissionFor[emission.event];
      if (!wanted) throw new Error(`no permission is known for the event "${emission.event}"`);
      if (!installation.events.includes(emission.event)) continue;
      if (wanted.length > 0 && !wanted.some((name) => installation.permissions[name] !== undefined))
        continue;
      const owner = this.#world.account(repo.ownerId);
      this.#deliver(installation, emission, repo.id, {
        repository: renderRepository(this.#world, repo),
        // After the repository: a push brings its own form of it.
        ...emission.payload,
        ...(owner.type === "Organization"
          ? { organization: renderOrganization(this.#world, owner) }
          : {}),
        installation: {
          id: installation.id,
          node_id: nodeId("IntegrationInstallation", installation.id),
        },
      });
    }
  }

  /** `installation` and `installation_repositories` carry the whole installation and go to its App alone. */
  emitInstallation(installation: Installation, emission: Emission): void {
    this.#deliver(installation, emission, null, {
      ...emission.payload,
      installation: renderInstallation(this.#world, installation),
    });
  }

  #deliver(
    installation: Installation,
    emission: Emission,
    repositoryId: number | null,
    parts: Record<string, unknown>,
  ): void {
    const app = this.#world.app(installation.appId);
    const { event, action } = emission;
    const payload = {
      ...(action ? { action } : {}),
      ...parts,
      sender: renderUser(this.#world, emission.sender),
    };
    const invalid = webhookFault(event, action, payload);
    if (invalid)
      this.#world.record({
        kind: "invalid-webhook",
        actor: "double",
        where: action ? `${event}.${action}` : event,
        detail: invalid,
      });
    this.#send(app, {
      guid: randomUUID(),
      event,
      action,
      installationId: installation.id,
      repositoryId,
      redelivery: false,
      payload: JSON.stringify(payload),
    });
  }

  redeliver(delivery: Delivery): Delivery {
    const { guid, event, action, installationId, repositoryId, payload } = delivery;
    return this.#send(this.#world.app(delivery.appId), {
      guid,
      event,
      action,
      installationId,
      repositoryId,
      payload,
      redelivery: true,
    });
  }

  #send(
    app: App,
    parts: Pick<
      Delivery,
      "guid" | "event" | "action" | "installationId" | "repositoryId" | "redelivery" | "payload"
    >,
  ): Delivery {
    const delivery: Delivery = {
      ...parts,
      id: this.#world.nextId(),
      appId: app.id,
      deliveredAt: this.#world.stamp(),
      sentAt: this.#world.now(),
      duration: 0,
      statusCode: 0,
      status: "pending",
      requestHeaders: headersOf(app, parts),
      responseHeaders: {},
      responseBody: "",
    };
    this.#world.deliveries.push(delivery);
    if (this.#held) this.#held.push(delivery);
    else this.#start(app, delivery);
    return delivery;
  }

  #start(app: App, delivery: Delivery): void {
    const work = this.#post(app, delivery).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #post(app: App, delivery: Delivery): Promise<void> {
    if (app.hookUrl === null) {
      delivery.status = "no webhook address is set";
      return;
    }
    const started = performance.now();
    try {
      const response = await fetch(app.hookUrl, {
        method: "POST",
        headers: delivery.requestHeaders,
        body: delivery.payload,
        redirect: "manual",
        signal: AbortSignal.any([AbortSignal.timeout(answerWithin), this.#stop.signal]),
      });
      delivery.responseBody = (await response.text()).slice(0, 10_000);
      delivery.responseHeaders = Object.fromEntries(response.headers);
      delivery.statusCode = response.status;
      delivery.status = response.ok ? "OK" : response.statusText || `HTTP ${response.status}`;
    } catch (error) {
      delivery.status =
        error instanceof Error && error.name === "TimeoutError"
          ? "timed out"
          : "failed to connect to host";
    }
    delivery.duration = Math.round(performance.now() - started) / 1000;
  }

  /** Keeps deliveries back, to lose or reorder them; `release` sends what the caller picks (default: all, in order). */
  hold(): {
    waiting: () => readonly Delivery[];
    release: (pick?: (held: Delivery[]) => Delivery[]) => void;
  } {
    const held: Delivery[] = [];
    this.#held = held;
    return {
      waiting: () => held,
      release: (pick = (all) => all) => {
        this.#held = null;
        const picked = pick([...held]);
        for (const delivery of held)
          if (!picked.includes(delivery)) delivery.status = "lost on purpose";
        for (const delivery of picked) this.#start(this.#world.app(delivery.appId), delivery);
      },
    };
  }

  /** Resolves when every delivery, and those that their handling caused meanwhile, has been answered. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.settled();
  }
}

export function sign(secret: string, body: string | Buffer): string {
  return `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

function headersOf(
  app: App,
  delivery: Pick<Delivery, "guid" | "event" | "payload">,
): Record<string, string> {
  return {
    Accept: "*/*",
    "Content-Type": "application/json",
    "User-Agent": "GitHub-Hookshot/5e1a7c2",
    "X-GitHub-Delivery": delivery.guid,
    "X-GitHub-Event": delivery.event,
    "X-GitHub-Hook-ID": String(app.hookId),
    "X-GitHub-Hook-Installation-Target-ID": String(app.id),
    "X-GitHub-Hook-Installation-Target-Type": "integration",
    "X-Hub-Signature": `sha1=${createHmac("sha1", app.webhookSecret).update(delivery.payload).digest("hex")}`,
    "X-Hub-Signature-256": sign(app.webhookSecret, delivery.payload),
  };
}
