import { type FromRunner, FleetFrame, type ToRunner } from "../../../src/protocol/control.ts";
import type { EnrolmentReply } from "../../../src/protocol/enrolment.ts";
import { connectText } from "../../../src/protocol/enrolment.ts";
import type { DeployTarget } from "../../../src/protocol/machine.ts";
import type { Frame } from "../../../src/protocol/frame.ts";
import type { Fleet } from "../../../src/bot/objects/fleet/fleet.ts";

type Stub = DurableObjectStub<Fleet>;

/** A key pair as a runner makes it. */
export async function runnerKey(): Promise<{ key: CryptoKey; publicKey: string }> {
  // Workers type it as key or pair; for Ed25519 it is a pair.
  const pair = (await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ])) as CryptoKeyPair;
  const raw = (await crypto.subtle.exportKey("raw", pair.publicKey)) as ArrayBuffer;
  return { key: pair.privateKey, publicKey: Buffer.from(raw).toString("base64") };
}

export type Enrolled = { reply: EnrolmentReply; key: CryptoKey };

export async function enrolled(
  fleet: Stub,
  account: number,
  options: {
    pool?: "untrusted" | "trusted" | "deploy";
    class?: string;
    repositories?: number[] | null;
  } = {},
): Promise<Enrolled> {
  const { code } = await fleet.mintCode({
    account,
    pool: options.pool ?? "trusted",
    class: options.class ?? "big",
    repositories: options.repositories ?? null,
    validSeconds: 60,
  });
  const { key, publicKey } = await runnerKey();
  const reply = await fleet.enrol({ code, name: "builder", publicKey });
  if ("refused" in reply) throw new Error(reply.refused);
  return { reply, key };
}

export async function header(
  { reply, key }: Enrolled,
  change: { time?: number; nonce?: string; runner?: string } = {},
): Promise<string> {
  const { host, account } = reply;
  const runner = change.runner ?? reply.runner;
  const time = change.time ?? Date.now();
  const nonce =
    change.nonce ?? Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  const signature = await crypto.subtle.sign(
    "Ed25519",
    key,
    new TextEncoder().encode(connectText({ host, account, runner, time, nonce })),
  );
  return `Snowcat ${account}.${runner}.${time}.${nonce}.${Buffer.from(signature).toString("base64url")}`;
}

export function upgrade(fleet: Stub, authorization?: string): Promise<Response> {
  return fleet.fetch("https://worker/runner/socket", {
    headers: { upgrade: "websocket", ...(authorization === undefined ? {} : { authorization }) },
  });
}

/** A connected runner that records frames and waits for the one that a test needs. */
export class TestRunner {
  readonly frames: Frame<ToRunner>[] = [];
  readonly #socket: WebSocket;
  readonly #waiting: {
    fits: (frame: Frame<ToRunner>) => boolean;
    resolve: (frame: Frame<ToRunner>) => void;
  }[] = [];
  readonly closed: Promise<number>;
  seq = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) =>
      socket.addEventListener("close", (event) => resolve(event.code)),
    );
    socket.addEventListener("message", (event) => {
      const frame = FleetFrame.parse(JSON.parse(String(event.data)));
      this.frames.push(frame);
      for (const waiting of this.#waiting.splice(0)) {
        if (waiting.fits(frame)) waiting.resolve(frame);
        else this.#waiting.push(waiting);
      }
    });
    socket.accept();
  }

  static async connect(fleet: Stub, runner: Enrolled): Promise<TestRunner> {
    const response = await upgrade(fleet, await header(runner));
    if (response.webSocket === null) throw new Error(`no socket: ${response.status}`);
    return new TestRunner(response.webSocket);
  }

  hello(
    options: {
      stream?: string;
      running?: { job: string; attempt: number }[];
      systems?: string[];
      features?: string[];
      slots?: number;
      exchange?: string;
      targets?: DeployTarget[];
    } = {},
  ): void {
    this.say({
      kind: "hello",
      agent: "test",
      stream: options.stream ?? crypto.randomUUID(),
      systems: options.systems ?? ["x86_64-linux"],
      features: options.features ?? [],
      slots: options.slots ?? 1,
      ...(options.exchange === undefined ? {} : { exchange: options.exchange }),
      ...(options.targets === undefined ? {} : { targets: options.targets }),
      running: options.running ?? [],
    });
  }

  say(body: FromRunner, about: { job: string; attempt: number } | null = null, seq = 0): void {
    this.#socket.send(
      JSON.stringify({
        v: 1,
        seq,
        ack: 0,
        job: about?.job ?? null,
        attempt: about?.attempt ?? null,
        sig: null,
        body,
      }),
    );
  }

  /** A kept frame. */
  tell(body: FromRunner, about: { job: string; attempt: number } | null): void {
    this.seq += 1;
    this.say(body, about, this.seq);
  }

  raw(text: string): void {
    this.#socket.send(text);
  }

  close(): void {
    this.#socket.close(1000);
  }

  /** The first frame, past or to come, that fits; the test's own limit ends the wait. */
  async next(fits: (frame: Frame<ToRunner>) => boolean): Promise<Frame<ToRunner>> {
    const known = this.frames.find(fits);
    if (known !== undefined) return known;
    return await new Promise((resolve) => this.#waiting.push({ fits, resolve }));
  }

  /** The `index`-th frame of a kind, past or to come. */
  async nth(kind: ToRunner["kind"], index: number): Promise<Frame<ToRunner>> {
    return await this.next(
      (frame) =>
        frame.body.kind === kind &&
        this.frames.filter((each) => each.body.kind === kind).indexOf(frame) === index,
    );
  }

  async offer(job: string, attempt: number): Promise<Extract<ToRunner, { kind: "offer" }>> {
    const { body } = await this.next(
      (frame) => frame.body.kind === "offer" && frame.job === job && frame.attempt === attempt,
    );
    if (body.kind !== "offer") throw new Error("unreachable");
    return body;
  }
}
