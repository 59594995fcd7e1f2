import type { Environment } from "../environment.ts";
import { type Accepted, type Delivery, objectName } from "../objects/contracts.ts";
import { isAllowed } from "./allowed.ts";
import { readBody } from "./body.ts";
import { verifySignature } from "./signature.ts";

/** Name of the account object that keeps what belongs to nobody who is served. */
export const NOBODY = 0;

/**
 * `POST /github/webhook`: 401 and nothing stored without the signature, 413 above 25 MB, 400 for what is signed and not
 * a delivery (recorded), 202 once the delivery is committed. The body is read, hashed, parsed and handed over once.
 */
export async function webhook(request: Request, env: Environment, now: number): Promise<Response> {
  const body = await readBody(request);
  if (body === null) return answer(413, { error: "the body is larger than 25 MB" });
  if (
    !(await verifySignature(
      env.GITHUB_WEBHOOK_SECRET,
      request.headers.get("x-hub-signature-256"),
      body,
    ))
  ) {
    return answer(401, { error: "X-Hub-Signature-256 is missing or is not that of the body" });
  }
  const id = request.headers.get("x-github-delivery") ?? "";
  const event = request.headers.get("x-github-event") ?? "";
  if (!/^[0-9A-Za-z-]{1,64}$/u.test(id) || !/^[a-z0-9_]{1,64}$/u.test(event)) {
    return answer(400, {
      error: "X-GitHub-Delivery and X-GitHub-Event must name the delivery and its event",
    });
  }
  const delivery: Delivery = {
    id,
    event,
    receivedAt: now,
    body: new Uint8Array(body),
    allowed: true,
  };
  const about = subject(body);
  if (about === null) {
    await account(env, NOBODY).accept({ ...delivery, allowed: false });
    return answer(400, {
      error: "the body is not a JSON object: set the hook's content type to application/json",
    });
  }
  return answer(202, await hand(env, about, delivery));
}

async function hand(env: Environment, about: Subject, delivery: Delivery): Promise<Accepted> {
  if (!isAllowed(env.ALLOWED_ACCOUNTS, about.account))
    return account(env, NOBODY).accept({ ...delivery, allowed: false });
  if (about.repository === null) return account(env, about.account ?? NOBODY).accept(delivery);
  return env.REPO.getByName(objectName.repo(env.GITHUB_HOST, about.repository)).accept(delivery);
}

function account(env: Environment, id: number) {
  return env.ACCOUNT.getByName(objectName.account(env.GITHUB_HOST, id));
}

type Subject = { repository: number | null; account: number | null };

/** Who the payload is about; null where it is no JSON object. */
function subject(body: ArrayBuffer): Subject | null {
  let payload: unknown;
  try {
    payload = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
  if (payload === null || typeof payload !== "object" || Array.isArray(payload)) return null;
  const { repository, organization, installation, sender } = payload as Record<
    string,
    Record<string, unknown> | undefined
  >;
  const owner =
    id(inner(repository, "owner")) ?? id(inner(installation, "account")) ?? id(organization);
  return { repository: id(repository), account: owner ?? id(sender) };
}

function inner(object: unknown, key: string): unknown {
  return object !== null && typeof object === "object"
    ? (object as Record<string, unknown>)[key]
    : undefined;
}

function id(object: unknown): number | null {
  const value = inner(object, "id");
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : null;
}

function answer(status: number, body: object): Response {
  return Response.json(body, { status });
}
