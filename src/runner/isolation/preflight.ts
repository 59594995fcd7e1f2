import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describeEnd, succeeded } from "../process/index.ts";
import type { Isolation } from "./isolation.ts";
import type { SandboxResult } from "./sandbox-run.ts";
import { INSIDE } from "./layout.ts";

export type Preflight =
  | { readonly ok: true; readonly tried: readonly string[] }
  | { readonly ok: false; readonly missing: readonly string[] };

/** Milliseconds for one attempt: the first build of a fresh store is the slowest. */
const TRY_MS = 60_000;

/** Writable by the agent, passable for everybody, and not /tmp: each sandbox has a /tmp of its own. */
const CANARY_PARENT = "/var/tmp";

interface Canary {
  /** A file that anybody on the host may read. */
  readonly file: string;
  readonly word: string;
  readonly port: number;
  hits(): number;
}

/**
 * Really tries what isolation promises: with a file anyone on the host can read, and a server on
 * the host's loopback. A promise that cannot be tried counts as missing.
 */
export async function preflight(isolation: Isolation): Promise<Preflight> {
  const directory = await mkdtemp(join(CANARY_PARENT, "snowcat-canary-"));
  await chmod(directory, 0o755);
  const word = randomBytes(16).toString("hex");
  let hits = 0;
  const server = createServer((_request, answer) => {
    hits += 1;
    answer.end(word);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const file = join(directory, "canary");
    await writeFile(file, word, { mode: 0o644 });
    const canary: Canary = {
      file,
      word,
      port: (server.address() as AddressInfo).port,
      hits: () => hits,
    };
    const missing: string[] = [];
    for (const [, attempt] of TRIES) {
      const found = await attempt(isolation, canary);
      if (found !== null) missing.push(found);
    }
    return missing.length === 0
      ? { ok: true, tried: TRIES.map(([name]) => name) }
      : { ok: false, missing };
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true, force: true });
  }
}

type Try = (isolation: Isolation, canary: Canary) => Promise<string | null>;

const TRIES: readonly (readonly [string, Try])[] = [
  ["a job cannot read the host's files", fileIsHidden],
  ["a job cannot reach the host's loopback", loopbackIsClosed],
  ["a build runs in Nix's sandbox as a build user", buildIsSandboxed],
  ["a fixed-output build cannot reach the host's loopback", fixedOutputIsFiltered],
];

async function fileIsHidden(isolation: Isolation, canary: Canary): Promise<string | null> {
  const result = await isolation.run({
    argv: ["/bin/sh", "-c", 'echo ran; cat "$1"', "sh", canary.file],
    cwd: "/",
    timeoutMs: TRY_MS,
  });
  const said = text(result.stdout);
  if (said.includes(canary.word)) return "a sandboxed program read a file of the host";
  return said.startsWith("ran") ? null : cannotTry("a sandboxed program does not start", result);
}

const REACH = `
const tries = process.argv.slice(1).map((url) => fetch(url, { signal: AbortSignal.timeout(5000) }).then((answer) => answer.text(), () => "closed"));
console.log("ran", ...(await Promise.all(tries)));
`;

async function loopbackIsClosed(isolation: Isolation, canary: Canary): Promise<string | null> {
  const before = canary.hits();
  const result = await isolation.run({
    argv: [
      INSIDE.node,
      "--input-type=module",
      "--eval",
      REACH,
      "--",
      `http://127.0.0.1:${canary.port}/`,
      `http://localhost:${canary.port}/`,
    ],
    cwd: "/",
    timeoutMs: TRY_MS,
  });
  if (canary.hits() > before) return "a sandboxed program reached a server on the host's loopback";
  return text(result.stdout).startsWith("ran")
    ? null
    : cannotTry("a sandboxed program cannot be asked for its network", result);
}

/** The builder says what it sees; only its own pid namespace has it as a low number. */
async function buildIsSandboxed(isolation: Isolation, canary: Canary): Promise<string | null> {
  const expression = `derivation {
    name = "snowcat-preflight"; system = builtins.currentSystem; builder = "/bin/sh"; nonce = "${canary.word}x";
    args = [ "-c" "if [ -e ${canary.file} ] || [ -e /usr ] || [ -e /root ]; then echo open > $out; else echo closed > $out; fi" ];
  }`;
  const result = await isolation.run({
    argv: [
      "/bin/sh",
      "-c",
      'path=$(nix-build --no-out-link --expr "$1") && cat "$path"',
      "sh",
      expression,
    ],
    timeoutMs: TRY_MS,
  });
  if (text(result.stdout).includes("open"))
    return "a build sees the host's files: Nix's sandbox is off";
  return text(result.stdout).includes("closed")
    ? null
    : cannotTry("no build succeeds in Nix's sandbox", result);
}

async function fixedOutputIsFiltered(isolation: Isolation, canary: Canary): Promise<string | null> {
  const before = canary.hits();
  const expression = `derivation {
    name = "snowcat-preflight-fetch"; system = "builtin"; builder = "builtin:fetchurl"; url = "http://127.0.0.1:${canary.port}/";
    outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${canary.word}${canary.word}";
  }`;
  const result = await isolation.run({
    argv: [
      "nix-build",
      "--no-out-link",
      "--option",
      "connect-timeout",
      "5",
      "--option",
      "download-attempts",
      "1",
      "--expr",
      expression,
    ],
    timeoutMs: TRY_MS,
  });
  if (canary.hits() > before)
    return "a fixed-output build reached a server on the host's loopback: the daemon needs a network namespace of its own";
  return succeeded(result) || result.startFailure
    ? cannotTry("a fixed-output build cannot be tried", result)
    : null;
}

function cannotTry(what: string, result: SandboxResult): string {
  const said = text(result.stderr).trim().slice(-400);
  return `${what}: ${describeEnd(result)}${said ? `: ${said}` : ""}`;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
