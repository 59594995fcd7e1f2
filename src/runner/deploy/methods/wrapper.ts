import { quoted, strictOptions } from "../../machine/index.ts";
import type { PolicyMachine } from "../policy/policy.ts";

export interface WrapperRequest {
  readonly machine: PolicyMachine;
  readonly connectSeconds: number;
  /** Files as the tools see them. */
  readonly knownHosts: string;
  readonly publicKey: string;
  readonly agentSocket: string;
  /** Words of a command that connects its stdin and stdout to host and port, given behind them; null: ssh connects itself. */
  readonly connect: readonly string[] | null;
  /** PATH on which the real ssh is. */
  readonly path: string;
}

export interface Wrapper {
  /** `Name=value` each. */
  readonly options: readonly string[];
  /** Text of a program in place of `ssh`. */
  readonly script: string;
  /** Text of a configuration file. */
  readonly config: string;
}

/**
 * ssh takes the first value that it is told: what stands here comes before a tool's own words, and so host, port, user,
 * key and host key are the policy's whatever the repository says.
 */
export function sshWrapper(request: WrapperRequest): Wrapper {
  const { machine, connect, knownHosts, publicKey, agentSocket, path } = request;
  const { address, port, user } = machine;
  const options = [
    `HostName=${address}`,
    `Port=${port}`,
    `User=${user}`,
    ...strictOptions(knownHosts, request.connectSeconds),
    `IdentityFile=${quoted(publicKey)}`,
    `IdentityAgent=${quoted(agentSocket)}`,
    connect === null ? "ProxyCommand=none" : `ProxyCommand=${connect.join(" ")} %h %p`,
    "ProxyJump=none",
    "CanonicalizeHostname=no",
  ];
  const words = options.map((option) => `-o ${shellWord(option)}`).join(" ");
  return {
    options,
    script: `#!/bin/sh\nPATH=${shellWord(path)}\nexport PATH\nexec ssh -F none ${words} "$@"\n`,
    config: `Host *\n${options.map((option) => `  ${option.replace("=", " ")}\n`).join("")}`,
  };
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
