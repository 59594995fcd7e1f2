import type { LaunchResult, Workspace } from "../nix/launch.ts";

/** What every git of ours is told: nothing of the machine's or the repository's configuration runs a program. */
const SETTINGS: readonly (readonly [string, string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.symlinks", "true"],
  ["core.autocrlf", "false"],
  ["protocol.allow", "never"],
  ["protocol.file.allow", "never"],
  ["protocol.https.allow", "always"],
  ["http.followRedirects", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["submodule.recurse", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["advice.detachedHead", "false"],
  ["credential.helper", ""],
];

const ENVIRONMENT = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_LFS_SKIP_SMUDGE: "1",
  LC_ALL: "C.UTF-8",
} as const;

const AUTHORIZATION = "git-authorization";

export interface GitOptions {
  /** Fetched from; opens the network and, for a plain http address (a test's double), that protocol. */
  readonly url?: string;
  /** For `url` alone; by a file that only this run sees. */
  readonly token?: string | null;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  readonly maxOutput?: number;
}

/** Runs a script of ours around git in the job's isolation; what comes from outside is in `args`, never in the text. */
export async function gitScript(
  workspace: Workspace,
  script: string,
  args: readonly string[],
  { url, token, signal, timeoutMs, maxOutput }: GitOptions,
): Promise<LaunchResult> {
  const settings = [...SETTINGS];
  if (url?.startsWith("http:")) settings.push(["protocol.http.allow", "always"]);
  const files: { name: string; content: string }[] = [];
  if (url !== undefined && typeof token === "string") {
    files.push({ name: AUTHORIZATION, content: authorization(url, token) });
    settings.push(["include.path", `${workspace.secrets}/${AUTHORIZATION}`]);
  }
  return await workspace.launch({
    argv: ["sh", "-c", script, "sh", ...args],
    env: { ...ENVIRONMENT, ...gitConfiguration(settings) },
    network: url === undefined ? "none" : "proxy",
    files,
    signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(maxOutput === undefined ? {} : { maxOutput }),
  });
}

/** Settings as git takes them from its environment, above every file. */
function gitConfiguration(
  settings: readonly (readonly [string, string])[],
): Record<string, string> {
  return {
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
}

/**
 * The header is sent with the first request already (a credential helper is asked only after a refusal, which is a
 * round trip more), and to this one address only.
 */
function authorization(url: string, token: string): string {
  const { origin, pathname } = new URL(url);
  const header = Buffer.from(`x-access-token:${token}`).toString("base64");
  return `[http ${quoted(`${origin}${pathname}`)}]\n\textraHeader = ${quoted(`Authorization: Basic ${header}`)}\n`;
}

function quoted(value: string): string {
  return `"${value.replaceAll(/["\\]/gu, String.raw`\$&`)}"`;
}
