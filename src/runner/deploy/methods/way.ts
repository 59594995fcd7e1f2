import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALIAS, knownHost } from "../../machine/index.ts";
import { describeEnd, type Environment, run, start, succeeded } from "../../process/index.ts";
import type { PolicyMachine } from "../policy/policy.ts";

/** The key that opens one machine, for programs that must not have it. */
export interface KeyAgent {
  /** An `ssh-agent` of this deploy alone, which holds that key and nothing else. */
  readonly socket: string;
  /** The key's public half, as `ssh-add -L` prints it: by it ssh knows which one to ask for. */
  readonly publicKey: string;
  close(): Promise<void>;
}

/** For `ssh-agent` and `ssh-add` to answer, in milliseconds. */
const AGENT_MS = 20_000;

/**
 * Starts an agent with the machine's key. It signs for the host that the policy pins and for no other: whoever reaches the
 * socket cannot use it to get anywhere else.
 * @param env PATH, to find OpenSSH by (8.9 or newer).
 * @throws where there is no agent, no key, or one with a passphrase.
 */
export async function startKeyAgent(
  { identityFile, hostKey, user }: PolicyMachine,
  env: Environment,
): Promise<KeyAgent> {
  const directory = await mkdtemp(join(tmpdir(), "snowcat-agent-"));
  const socket = join(directory, "socket");
  const agent = start(["ssh-agent", "-D", "-a", socket], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const close = async (): Promise<void> => {
    agent.terminate();
    await agent.ended;
    await rm(directory, { recursive: true, force: true });
  };
  try {
    // It says where it listens as soon as it does.
    const listens = new Promise<"listens">((resolve) =>
      agent.stdout?.once("data", () => resolve("listens")),
    );
    const first = await Promise.race([listens, agent.ended]);
    if (first !== "listens") throw new Error(`ssh-agent ${describeEnd(first)}`);
    const knownHosts = join(directory, "known_hosts");
    await writeFile(knownHosts, knownHost(hostKey), { mode: 0o600 });
    const add = async (...args: string[]): Promise<string> => {
      const end = await run(["ssh-add", ...args], {
        env: { ...env, SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: "never" },
        timeoutMs: AGENT_MS,
      });
      if (succeeded(end)) return new TextDecoder().decode(end.stdout);
      const said = new TextDecoder().decode(end.stderr).trim();
      throw new Error(`ssh-add ${describeEnd(end)}: ${said}`);
    };
    await add("-q", "-H", knownHosts, "-h", `${user}@${ALIAS}`, identityFile);
    return { socket, publicKey: await add("-L"), close };
  } catch (cause) {
    await close();
    throw new Error(`the key ${identityFile} of the deploy policy cannot be used by tools`, {
      cause,
    });
  }
}
