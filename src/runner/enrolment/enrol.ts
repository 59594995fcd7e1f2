import { chown, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EnrolmentReply, type EnrolmentRequest } from "../../protocol/enrolment.ts";
import { RUNNER_ROUTE } from "../../protocol/routes.ts";
import {
  type Identity,
  loadIdentity,
  loadOrMakeKey,
  publicKeyOf,
  saveIdentity,
} from "./identity.ts";

export type Enrolled = { ok: true; identity: Identity } | { ok: false; why: string };

/** Spends a code: makes the key pair, sends the public half, keeps the answer. An enrolled directory is left alone. */
export async function enrol(options: {
  url: string;
  name: string;
  code: string;
  directory: string;
  owner: number | null;
}): Promise<Enrolled> {
  const { url, name, code, directory, owner } = options;
  // The agent's user must be able to pass through what lies above its own folder.
  await mkdir(dirname(directory), { recursive: true, mode: 0o755 });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if ((await loadIdentity(directory)) !== null) {
    return {
      ok: false,
      why: `${directory} is enrolled already: remove identity.json there to enrol anew`,
    };
  }
  const key = await loadOrMakeKey(directory);
  const request: EnrolmentRequest = { code: code.trim(), name, publicKey: publicKeyOf(key) };
  const answer = await fetch(new URL(RUNNER_ROUTE.enrol, url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
    redirect: "error",
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  if (!answer.ok)
    return {
      ok: false,
      why: `${new URL(url).origin} answered ${answer.status}: ${text.trim().slice(0, 500)}`,
    };
  const identity = EnrolmentReply.parse(JSON.parse(text));
  await saveIdentity(directory, identity);
  if (owner !== null) await hand(directory, owner);
  return { ok: true, identity };
}

/** Root enrols for the unprivileged agent. */
async function hand(directory: string, owner: number): Promise<void> {
  await chown(directory, owner, owner);
  for (const name of await readdir(directory)) await chown(join(directory, name), owner, owner);
}
