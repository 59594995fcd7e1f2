import type { LaunchResult, Workspace } from "../nix/launch.ts";

/** What every git of ours is told: nothing of the machine's or the repository's configuration runs a program. */
const SETTINGS = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.symlinks=true",
  "core.autocrlf=false",
  "protocol.allow=never",
  "protocol.file.allow=never",
  "protocol.https.allow=always",
  "http.followRedirects=false",
  "fetch.recurseSubmodules=false",
  "submodule.recurse=false",
  "gc.auto=0",
  "maintenance.auto=false",
  "advice.detachedHead=false",
  "credential.helper=",
] as const;

const ENVIRONMENT = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "/bin/false",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_LFS_SKIP_SMUDGE: "1",
  LC_ALL: "C.UTF-8",
} as const;

const CREDENTIALS = "git-credentials";

export interface GitOptions {
  /** Given to the one host of `url`, by a file; see `credentialLine`. */
  readonly credential?: string;
  /** Fetched from; opens the network and, for a plain http address (a test's double), that protocol. */
  readonly url?: string;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  readonly maxOutput?: number;
}

/** Runs git in the job's isolation. The token, where there is one, lies in a file that only this process sees. */
export async function git(
  workspace: Workspace,
  args: readonly string[],
  options: GitOptions,
): Promise<LaunchResult> {
  const { credential, url, signal, timeoutMs, maxOutput } = options;
  const settings = [
    ...SETTINGS,
    ...(url?.startsWith("http:") ? ["protocol.http.allow=always"] : []),
  ];
  if (credential !== undefined)
    settings.push(`credential.helper=store --file=${workspace.secrets}/${CREDENTIALS}`);
  return await workspace.launch({
    argv: ["git", ...settings.flatMap((setting) => ["-c", setting]), ...args],
    env: ENVIRONMENT,
    network: url === undefined ? "none" : "proxy",
    files: credential === undefined ? [] : [{ name: CREDENTIALS, content: credential }],
    signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(maxOutput === undefined ? {} : { maxOutput }),
  });
}

/** The credential store's line for the host of a clone address. */
export function credentialLine(url: string, token: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//x-access-token:${encodeURIComponent(token)}@${host}\n`;
}
