import type { AttemptClaims } from "../channel/index.ts";
import type { Environment } from "../environment.ts";
import { objectName } from "../objects/contracts.ts";

/** Bytes of a manifest's text: `MANIFEST_PATHS` lines are less. */
const MOST = 32 * 1_024 ** 2;
const DIGEST = /^[0-9a-f]{64}$/u;

/** Keeps a manifest's text under its own hash: of the account, so that no other one's attempt reads or fills it. */
export async function manifest(
  env: Environment,
  claims: AttemptClaims,
  digest: string,
  request: Request,
): Promise<Response> {
  if (!DIGEST.test(digest)) return refused(400, "a manifest is named by its SHA-256 in hex");
  const fleet = env.FLEET.getByName(objectName.fleet(env.GITHUB_HOST, claims.account));
  const held = await fleet.held(claims.job, claims.attempt);
  if (held === null) return refused(403, "the attempt is over, or another's");
  // What strangers' builds are made of is nobody's manifest.
  if (held.pool === "untrusted") return refused(403, "manifests are not for untrusted runners");
  const key = `manifests/${claims.account}/${digest}`;
  if (request.method === "GET") {
    const found = await env.BLOBS.get(key);
    if (found === null) return refused(404, "there is no such manifest");
    return new Response(found.body, { headers: { "content-type": "text/plain; charset=utf-8" } });
  }
  if (Number(request.headers.get("content-length") ?? 0) > MOST)
    return refused(413, `a manifest has at most ${MOST} bytes`);
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength > MOST) return refused(413, `a manifest has at most ${MOST} bytes`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== digest) return refused(422, "the text has another SHA-256");
  // The same name is the same text: who puts it again changes nothing.
  if ((await env.BLOBS.head(key)) === null) await env.BLOBS.put(key, bytes);
  return new Response(null, { status: 204 });
}

function refused(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
