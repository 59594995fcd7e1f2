import { expect } from "vitest";
import type {
  DeployState,
  DeployStateName,
  Machine,
  MachineFault,
  Reply,
  SourceStore,
} from "../../src/runner/machine/index.ts";
import { connectMachine } from "../../src/runner/machine/index.ts";
import type { Lab } from "./lab.ts";
import type { TestMachine } from "./machine.ts";
import type { ClosureManifest } from "./systems.ts";

/** Limits of tests, in seconds: small, and long enough for a busy machine where nothing is to run into them. */
export const LIMITS = { activation: 30, confirmation: 60, copy: 60, wait: 90 } as const;

/** What a reply brought. */
export function done<T>(reply: Reply<T>): T {
  if (reply.kind !== "done")
    throw new Error(
      `${reply.kind}: ${reply.why}\n${reply.kind === "failed" ? reply.log : ""}`.trim(),
    );
  return reply.value;
}

/** How a reply failed. */
export function fault<T>(reply: Reply<T>): MachineFault {
  if (reply.kind === "done") throw new Error(`it was done: ${JSON.stringify(reply.value)}`);
  return reply;
}

export interface DeployOptions {
  readonly counter: number;
  readonly system: string;
  readonly from?: SourceStore;
  readonly activationSeconds?: number;
  readonly confirmationSeconds?: number;
}

/** One deploy, verb by verb, as an engine would ask for it; stops where the test wants. */
export class Deploy {
  readonly client: Machine;
  readonly options: DeployOptions;
  readonly #lab: Lab;
  #manifest: ClosureManifest | null = null;

  constructor(lab: Lab, client: Machine, options: DeployOptions) {
    this.#lab = lab;
    this.client = client;
    this.options = options;
  }

  get counter(): number {
    return this.options.counter;
  }

  async manifest(): Promise<ClosureManifest> {
    this.#manifest ??= await this.#lab.builder.manifest(this.options.system);
    return this.#manifest;
  }

  async begin(expected: string | null = null) {
    return this.client.begin({ counter: this.counter, expected, system: this.options.system });
  }

  async copy(timeoutSeconds: number = LIMITS.copy) {
    return this.client.copy({
      counter: this.counter,
      system: this.options.system,
      paths: (await this.manifest()).paths.map(({ path }) => path),
      from: this.options.from ?? this.#lab.builder.source,
      timeoutSeconds,
    });
  }

  async verify(bytes: "copied" | "all" = "copied") {
    const { text, digest, system } = await this.manifest();
    return this.client.verify({
      counter: this.counter,
      system,
      manifest: text,
      digest,
      bytes,
      timeoutSeconds: LIMITS.copy,
    });
  }

  /** Up to the closure's being there and known. */
  async prepare(): Promise<void> {
    done(await this.begin());
    done(await this.copy());
    done(await this.verify());
  }

  async start(): Promise<Reply<DeployState>> {
    return this.client.activate({
      counter: this.counter,
      activationSeconds: this.options.activationSeconds ?? LIMITS.activation,
      confirmationSeconds: this.options.confirmationSeconds ?? LIMITS.confirmation,
    });
  }

  /** Prepared, started, and as far as one of these states, which it must come to. */
  async run(...until: DeployStateName[]): Promise<DeployState> {
    await this.prepare();
    done(await this.start());
    return this.reaches(...until);
  }

  async reaches(...until: DeployStateName[]): Promise<DeployState> {
    const { state, until: there } = done(
      await this.client.wait({ counter: this.counter, until, seconds: LIMITS.wait }),
    );
    expect(there, `${state.name}: ${state.log}`).toBe(true);
    return state;
  }

  async confirmAndCommit(): Promise<DeployState> {
    done(await this.client.confirm({ counter: this.counter }));
    done(await this.client.commit({ counter: this.counter }));
    return this.reaches("committed", "commit-failed");
  }
}

/** A client as a runner has it; `close` it. */
export async function clientOf(
  lab: Lab,
  { target }: Pick<TestMachine, "target">,
  options: { signal?: AbortSignal; connectSeconds?: number } = {},
): Promise<Machine> {
  const { connectSeconds = 10, ...rest } = options;
  return connectMachine(target, {
    connectSeconds,
    now: () => Date.now(),
    env: { PATH: lab.env.PATH ?? "" },
    ...rest,
  });
}
