import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type * as z from "zod";
import { connectText, EnrolmentReply } from "../../protocol/enrolment.ts";

/** Who this runner is, as the control plane enrolled it; written once, beside its key. */
export const Identity = EnrolmentReply;
export type Identity = z.infer<typeof Identity>;

const KEY = "key.pem";
const IDENTITY = "identity.json";

/** The runner's own key pair, made here at the first call; the private half never leaves the directory. */
export async function loadOrMakeKey(directory: string): Promise<KeyObject> {
  const path = join(directory, KEY);
  const text = await readFile(path, "utf8").catch(missing);
  if (text !== null) return createPrivateKey(text);
  const { privateKey } = generateKeyPairSync("ed25519");
  await writeSecret(path, privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  return privateKey;
}

/** Raw 32 bytes, base64. */
export function publicKeyOf(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: "jwk" });
  if (typeof x !== "string") throw new Error("the runner's key is not an Ed25519 key");
  return Buffer.from(x, "base64url").toString("base64");
}

export async function saveIdentity(directory: string, identity: Identity): Promise<void> {
  await writeSecret(join(directory, IDENTITY), `${JSON.stringify(identity, null, 2)}\n`);
}

/** Null when it has not enrolled. */
export async function loadIdentity(
  directory: string,
): Promise<{ identity: Identity; key: KeyObject } | null> {
  const text = await readFile(join(directory, IDENTITY), "utf8").catch(missing);
  const key = await readFile(join(directory, KEY), "utf8").catch(missing);
  if (text === null || key === null) return null;
  return { identity: Identity.parse(JSON.parse(text)), key: createPrivateKey(key) };
}

/** The `Authorization` header that opens the control socket; good once. */
export function connectHeader(identity: Identity, key: KeyObject, now: number): string {
  const { host, account, runner } = identity;
  const nonce = randomBytes(16).toString("hex");
  const signature = sign(
    null,
    Buffer.from(connectText({ host, account, runner, time: now, nonce })),
    key,
  ).toString("base64url");
  return `Snowcat ${account}.${runner}.${now}.${nonce}.${signature}`;
}

async function writeSecret(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

function missing(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
  throw error;
}
