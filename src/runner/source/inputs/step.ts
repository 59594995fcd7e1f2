import type { LaunchFile, Workspace } from "../../nix/launch.ts";
import type { OperatorCredentials } from "../operator.ts";
import type { InputAccess } from "./access.ts";
import { CONNECT_PROGRAM } from "./connect.ts";

/** What one program of the fetch step gets beside its arguments: names of files in its environment, secrets in the files. */
export interface FetchStep {
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly LaunchFile[];
  /** The arguments with which the program is started. */
  readonly around: (argv: Argv) => Argv;
}

type Argv = readonly [string, ...string[]];

/** git's curl reads `~/.netrc` and no other; the home of each program is its own. */
const WITH_NETRC = 'ln -sfn -- "$1" "$HOME/.netrc" && shift && exec "$@"';

/**
 * Credentials as Nix, git and ssh read them: each in a file on the private tmpfs of the one program that fetches. Nothing
 * is evaluated by it but the arguments of a fetcher.
 *
 * @param withToken whether the host of the job's own repository is asked for anything.
 */
export async function fetchStep(
  { secrets }: Pick<Workspace, "secrets">,
  { access, cloneUrl, operator }: InputAccess,
  withToken: boolean,
): Promise<FetchStep> {
  const { protocol, host, origin, pathname } = new URL(cloneUrl);
  // A host may serve its repositories below a path.
  const base = `${origin}${pathname.replace(/\/[^/]+\/[^/]+\/?$/u, "")}`;
  const given = withToken ? await access.others() : null;
  const token = given?.token ?? null;
  const file = (name: string): string => `${secrets}/${name}`;
  const files: LaunchFile[] = [];
  const nix: string[] = [];
  const git = [
    "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n",
    "[http]\n\tfollowRedirects = false\n",
    "[gc]\n\tauto = 0\n",
    "[advice]\n\tdetachedHead = false\n",
  ];
  if (given !== null && token !== null) {
    nix.push(`access-tokens = ${host}=${token}`);
    const header = Buffer.from(`x-access-token:${token}`).toString("base64");
    for (const repository of given.repositories)
      for (const address of [`${base}/${repository}`, `${base}/${repository}.git`])
        git.push(`[http "${address}"]\n\textraHeader = "Authorization: Basic ${header}"\n`);
  }
  if (operator.netrc !== null) {
    files.push({ name: "netrc", content: operator.netrc });
    nix.push(`netrc-file = ${file("netrc")}`);
  }
  files.push(...sshFiles(operator, file));
  files.push({ name: "nix.conf", content: `${nix.join("\n")}\n` });
  files.push({ name: "gitconfig", content: git.join("") });
  return {
    files,
    around: (argv) =>
      operator.netrc === null ? argv : ["sh", "-c", WITH_NETRC, "sh", file("netrc"), ...argv],
    env: {
      NIX_USER_CONF_FILES: file("nix.conf"),
      GIT_CONFIG_GLOBAL: file("gitconfig"),
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_ASKPASS: "",
      GIT_LFS_SKIP_SMUDGE: "1",
      // A submodule's address is the change's: no `ext::`, no `file://`. Plain http is for a test's double.
      GIT_ALLOW_PROTOCOL: ["https", "ssh", ...(protocol === "http:" ? ["http"] : [])].join(":"),
      GIT_SSH_COMMAND: `ssh -F ${file("ssh_config")}`,
    },
  };
}

/** One host's key for that host only, and its host key pinned. A host that is not named is refused. */
function sshFiles({ ssh }: OperatorCredentials, file: (name: string) => string): LaunchFile[] {
  const hosts = ssh.map(
    ({ host }, index) =>
      `Host ${host}\n\tIdentityFile ${file(`ssh_key_${index}`)}\n\tUserKnownHostsFile ${file(`ssh_known_hosts_${index}`)}\n`,
  );
  const always = [
    "StrictHostKeyChecking yes",
    "IdentitiesOnly yes",
    "IdentityAgent none",
    "BatchMode yes",
    "ForwardAgent no",
    "ClearAllForwardings yes",
    "ConnectTimeout 20",
    "GlobalKnownHostsFile /dev/null",
    "UserKnownHostsFile /dev/null",
    "IdentityFile none",
    `ProxyCommand ${CONNECT_PROGRAM.node} ${file(CONNECT_PROGRAM.name)} %h %p`,
  ];
  return [
    { name: "ssh_config", content: `${hosts.join("")}Host *\n\t${always.join("\n\t")}\n` },
    { name: CONNECT_PROGRAM.name, content: CONNECT_PROGRAM.text },
    ...ssh.flatMap(({ key, knownHosts }, index) => [
      { name: `ssh_key_${index}`, content: key.endsWith("\n") ? key : `${key}\n` },
      { name: `ssh_known_hosts_${index}`, content: knownHosts },
    ]),
  ];
}
