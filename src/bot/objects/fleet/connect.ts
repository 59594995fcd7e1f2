import { fromBase64 } from "../../channel/bytes.ts";
import { CLOCK_SKEW, connectText } from "../../../protocol/enrolment.ts";

/** What an `Authorization: Snowcat …` header says; nothing of it is proven. */
export type Connect = {
  account: number;
  runner: string;
  time: number;
  nonce: string;
  signature: Uint8Array;
};

const HEADER =
  /^Snowcat ([1-9][0-9]{0,15})\.([a-z0-9]{1,32})\.([0-9]{1,15})\.([0-9a-f]{32})\.([A-Za-z0-9_-]{86})$/u;

/** Reads the header; null when it is not one. The Worker uses it to find the account's Fleet object. */
export function connectOf(request: Request): Connect | null {
  const match = HEADER.exec(request.headers.get("authorization") ?? "");
  if (match === null) return null;
  const [, account, runner = "", time, nonce = "", signature = ""] = match;
  return {
    account: Number(account),
    runner,
    time: Number(time),
    nonce,
    signature: fromBase64(signature),
  };
}

/** Whether its signer has the runner's key and the clocks agree. The nonce is the caller's to spend. */
export async function proves(
  connect: Connect,
  host: string,
  publicKey: string,
  now: number,
): Promise<boolean> {
  if (Math.abs(now - connect.time) > CLOCK_SKEW) return false;
  const key = await crypto.subtle.importKey("raw", fromBase64(publicKey), "Ed25519", false, [
    "verify",
  ]);
  const text = connectText({
    host,
    account: connect.account,
    runner: connect.runner,
    time: connect.time,
    nonce: connect.nonce,
  });
  return await crypto.subtle.verify(
    "Ed25519",
    key,
    connect.signature,
    new TextEncoder().encode(text),
  );
}
