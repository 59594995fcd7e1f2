import { createHash } from "node:crypto";
import type { HostKey } from "../../../protocol/machine.ts";

/** Base64 of an ed25519 public key in ssh's own encoding: two length-prefixed strings, the type and 32 bytes. */
const BLOB = /^AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$/u;

/** True for `ssh-ed25519 <base64>`, as a machine's `ssh_host_ed25519_key.pub` has it, less the comment. */
export function isHostKeyLine(line: string): boolean {
  const [type, blob, ...rest] = line.split(" ");
  return type === "ssh-ed25519" && blob !== undefined && BLOB.test(blob) && rest.length === 0;
}

/** What `ssh-keygen -l` prints of a host key's line. */
export function fingerprint(line: string): HostKey {
  const blob = Buffer.from(line.slice(line.indexOf(" ") + 1), "base64");
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/u, "")}`;
}
