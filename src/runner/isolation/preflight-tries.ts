import { createHash } from "node:crypto";
import { describeEnd, succeeded } from "../process/index.ts";
import type { Isolation } from "./isolation.ts";
import { INSIDE } from "./layout.ts";
import type { SandboxResult } from "./sandbox-run.ts";

/** Milliseconds for one attempt: the first build of a fresh store is the slowest. */
const TRY_MS = 60_000;

/** What a job must not get at. */
export interface Canary {
  /** A file that anybody on the host may read. */
  readonly file: string;
  readonly word: string;
  readonly port: number;
  hits(): number;
}

type Try = (isolation: Isolation, canary: Canary) => Promise<string | null>;

/** Each promise, and how it is tried; an attempt returns what is wrong, or null. */
export const TRIES: readonly (readonly [string, Try])[] = [
  ["a job cannot read the host's files", fileIsHidden],
  ["a job cannot reach the host's loopback", loopbackIsClosed],
  ["a build runs in Nix's sandbox as a build user", buildIsSandboxed],
  ["a fixed-output build cannot reach the host's loopback", fixedOutputIsFiltered],
  ["fixed-output builds have a network namespace apart from the host's", networkIsApart],
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

/**
 * A fetcher obeys the proxy variables, a hostile builder does not: it must not even share the
 * namespace. It looks for the canary's port among the listening sockets that its kernel shows.
 */
async function networkIsApart(isolation: Isolation, canary: Canary): Promise<string | null> {
  const listening = `0100007F:${canary.port.toString(16).toUpperCase().padStart(4, "0")}`;
  const expected = createHash("sha256").update("apart\n").digest("hex");
  const expression = `derivation {
    name = "snowcat-preflight-network-${canary.word.slice(0, 12)}"; system = builtins.currentSystem; builder = "/bin/sh";
    args = [ "-c" "[ -r /proc/net/tcp ] || exit 1; seen=apart; while read -r line; do case \\"$line\\" in *' ${listening} '*) seen=shared ;; esac; done < /proc/net/tcp; echo $seen > $out" ];
    outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${expected}";
  }`;
  const result = await isolation.run({
    argv: ["nix-build", "--no-out-link", "--expr", expression],
    timeoutMs: TRY_MS,
  });
  if (text(result.stderr).includes("hash mismatch")) {
    return "fixed-output builds share the host's network: the daemon needs a network namespace of its own";
  }
  return succeeded(result) ? null : cannotTry("a fixed-output build cannot be tried", result);
}

function cannotTry(what: string, result: SandboxResult): string {
  const said = text(result.stderr).trim().slice(-400);
  return `${what}: ${describeEnd(result)}${said ? `: ${said}` : ""}`;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
