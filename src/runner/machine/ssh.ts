import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostKey } from "../../protocol/machine.ts";
import type { MachineTarget } from "./machine.ts";
import { gzipSync } from "node:zlib";
import { PROGRAM } from "./text.ts";

/** The name that known hosts are written for, whatever the address. */
export const ALIAS = "snowcat-machine";
const HOST_PUBLIC_KEY = /^ssh-ed25519 ([A-Za-z0-9+/]{68})$/u;
const ADDRESS = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,252}$/u;
const USER = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/u;
/** Connections that say nothing are given up after this many unanswered questions. */
const ALIVE_COUNT = 3;

/** The fingerprint of a public key as `ssh-keygen -l` prints it; null unless it is `ssh-ed25519 AAAA…`. */
export function fingerprintOf(hostPublicKey: string): HostKey | null {
  const blob = HOST_PUBLIC_KEY.exec(hostPublicKey)?.[1];
  if (blob === undefined) return null;
  const hash = createHash("sha256").update(Buffer.from(blob, "base64")).digest("base64");
  return `SHA256:${hash.replace(/=+$/u, "")}`;
}

/** How one machine is connected to. */
export interface Ssh {
  readonly hostKey: HostKey;
  /** argv of a connection that runs one verb there. */
  argv(verb: readonly string[]): [string, ...string[]];
  /** The same where the program turned out to be a forced command of the key. */
  installed(verb: readonly string[]): [string, ...string[]];
  /** What goes to its stdin before anything else. */
  readonly preamble: string;
  /** Whether verbs may share a connection. */
  readonly sessions: boolean;
  close(): Promise<void>;
}

/** @throws for a target that cannot be one: a policy file is checked before */
export async function prepareSsh(target: MachineTarget, connectSeconds: number): Promise<Ssh> {
  const hostKey = fingerprintOf(target.hostPublicKey);
  if (hostKey === null)
    throw new Error(`the pinned host key of ${target.address} is not "ssh-ed25519 AAAA…"`);
  if (!ADDRESS.test(target.address))
    throw new Error(`not an address of a machine: ${JSON.stringify(target.address)}`);
  if (!USER.test(target.user))
    throw new Error(`not a user of a machine: ${JSON.stringify(target.user)}`);
  const directory = await mkdtemp(join(tmpdir(), "snowcat-ssh-"));
  const knownHosts = join(directory, "known_hosts");
  await writeFile(knownHosts, knownHost(target.hostPublicKey), { mode: 0o600 });
  const options = sshOptions(target, knownHosts, connectSeconds);
  const argv = (words: string): [string, ...string[]] => [
    "ssh",
    "-F",
    "none",
    "-T",
    ...options.flatMap((option) => ["-o", option]),
    "-p",
    String(target.port),
    "-l",
    target.user,
    "--",
    target.address,
    words,
  ];
  return {
    hostKey,
    argv: (verb) => argv(command(target, verb)),
    installed: (verb) => argv(command({ ...target, program: "installed" }, verb)),
    preamble: target.program === "sent" ? SENT : "",
    sessions: target.program === "sent",
    close: () => rm(directory, { recursive: true }),
  };
}

function sshOptions(target: MachineTarget, knownHosts: string, connectSeconds: number): string[] {
  return [
    ...strictOptions(knownHosts, connectSeconds),
    `IdentityFile=${quoted(target.identityFile)}`,
    "IdentityAgent=none",
  ];
}

/** What a known-hosts file says of the machine, whatever its address. */
export function knownHost(hostPublicKey: string): string {
  return `${ALIAS} ${hostPublicKey}\n`;
}

/**
 * Nothing of anybody's ssh configuration, agent, forwarding or earlier connection; the identity is the caller's to add.
 * @param knownHosts file with the line that `knownHost` makes.
 */
export function strictOptions(knownHosts: string, connectSeconds: number): string[] {
  const seconds = Math.max(1, Math.ceil(connectSeconds));
  return [
    "BatchMode=yes",
    `ConnectTimeout=${seconds}`,
    "ConnectionAttempts=1",
    `ServerAliveInterval=${Math.max(1, Math.ceil(seconds / ALIVE_COUNT))}`,
    `ServerAliveCountMax=${ALIVE_COUNT}`,
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${quoted(knownHosts)}`,
    "GlobalKnownHostsFile=/dev/null",
    `HostKeyAlias=${ALIAS}`,
    "HostKeyAlgorithms=ssh-ed25519",
    "CheckHostIP=no",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "IdentitiesOnly=yes",
    "PreferredAuthentications=publickey",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "EscapeChar=none",
    "LogLevel=ERROR",
  ];
}

/** ssh reads an option's value as words, `%` as the beginning of a token. */
export function quoted(path: string): string {
  if (/["\\\n]/u.test(path)) throw new Error(`ssh cannot be told of a file named ${path}`);
  return `"${path.replaceAll("%", "%%")}"`;
}

/** The program as a file, for machines that have it as a key's forced command. */
export const MACHINE_PROGRAM = `#!/bin/sh\n${PROGRAM.toString("utf8")}`;

/** One line: the shell there reads it byte by byte, and leaves what follows to the verb. */
const SENT = `${gzipSync(PROGRAM, { level: 9 }).toString("base64")}\n`;

const WORD = /^[A-Za-z0-9._/+=:@,?-]+$/u;

/** One string, for that is what ssh sends: its words hold nothing that any shell reads as more than themselves. */
function command(target: MachineTarget, verb: readonly string[]): string {
  for (const word of verb)
    if (!WORD.test(word)) throw new Error(`not a word of a verb: ${JSON.stringify(word)}`);
  if (target.program === "installed") return ["snowcat", ...verb].join(" ");
  const receive = `IFS= read -r snowcat_text && eval "$(printf %s "$snowcat_text" | base64 -d | gzip -d)"`;
  return [
    target.sudo ? "exec sudo -n sh -c" : "exec sh -c",
    `'${receive}'`,
    "snowcat",
    ...verb,
  ].join(" ");
}

/** A word of any content, as verbs take it. */
export function encodedWord(text: string): string {
  return `a${Buffer.from(text).toString("base64")}`;
}
