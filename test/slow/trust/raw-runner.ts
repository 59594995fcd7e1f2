import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { WebSocket } from "ws";
import { FleetFrame, type FromRunner, type ToRunner } from "../../../src/protocol/control.ts";
import type { DataReply, ToRun } from "../../../src/protocol/data.ts";
import { EnrolmentReply } from "../../../src/protocol/enrolment.ts";
import { RUNNER_ROUTE } from "../../../src/protocol/routes.ts";
import {
  connectHeader,
  type Identity,
  publicKeyOf,
} from "../../../src/runner/enrolment/identity.ts";
import { enrolmentCode } from "../../support/stack.ts";
import type { RunningWorker } from "../../support/worker.ts";

export type Enrolled = { identity: Identity; key: KeyObject };
type Offer = Extract<ToRunner, { kind: "offer" }>;

export async function enrol(
  worker: RunningWorker,
  account: number,
  pool: "trusted" | "deploy",
): Promise<Enrolled> {
  const code = await enrolmentCode(worker, { account, pool, class: pool, repositories: null });
  const key = generateKeyPairSync("ed25519").privateKey;
  const response = await fetch(`${worker.url}${RUNNER_ROUTE.enrol}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code, name: pool, publicKey: publicKeyOf(key) }),
  });
  return { identity: EnrolmentReply.parse(await response.json()), key };
}

/** An enrolled runner that says what a test has it say. */
export class RawRunner {
  readonly #socket: WebSocket;
  readonly #offers = new Map<string, Offer>();
  #changed = Promise.withResolvers<void>();
  #seq = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      const { body, job, attempt } = FleetFrame.parse(JSON.parse((data as Buffer).toString()));
      if (body.kind !== "offer") return;
      this.#offers.set(`${job}/${attempt}`, body);
      const changed = this.#changed;
      this.#changed = Promise.withResolvers();
      changed.resolve();
    });
  }

  static async connect(worker: RunningWorker, { identity, key }: Enrolled): Promise<RawRunner> {
    const socket = new WebSocket(`${worker.url.replace("http", "ws")}${RUNNER_ROUTE.socket}`, {
      headers: { authorization: connectHeader(identity, key, Date.now()) },
    });
    await once(socket, "open");
    const runner = new RawRunner(socket);
    socket.send(
      text(
        {
          kind: "hello",
          agent: "test",
          stream: crypto.randomUUID(),
          systems: ["x86_64-linux"],
          features: [],
          slots: 1,
          running: [],
        },
        0,
        null,
      ),
    );
    return runner;
  }

  tell(body: FromRunner, about: { job: string; attempt: number }): void {
    this.#seq += 1;
    this.#socket.send(text(body, this.#seq, about));
  }

  /** The first offer of that attempt, of whatever job. */
  async offer(attempt: number): Promise<{ job: string; token: string }> {
    for (;;) {
      const [found] = [...this.#offers].filter(([name]) => name.endsWith(`/${attempt}`));
      if (found !== undefined)
        return { job: found[0].slice(0, -`/${attempt}`.length), token: found[1].token };
      await this.#changed.promise;
    }
  }

  close(): void {
    this.#socket.terminate();
  }
}

/** Says one thing on the run channel of an attempt, and answers the reply after the greeting. */
export async function sayToRun(
  worker: RunningWorker,
  token: string,
  body: ToRun,
  about: { job: string; attempt: number },
): Promise<DataReply> {
  const socket = new WebSocket(`${worker.url.replace("http", "ws")}${RUNNER_ROUTE.run}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const replies: DataReply[] = [];
  const answered = new Promise<DataReply>((resolve) =>
    socket.on("message", (data) => {
      // Greeted by how far its stream is known.
      replies.push(JSON.parse((data as Buffer).toString()).body as DataReply);
      if (replies.length === 2) resolve(replies[1] as DataReply);
    }),
  );
  await once(socket, "open");
  socket.send(text(body, 1, about));
  const reply = await answered;
  socket.terminate();
  return reply;
}

function text(
  body: FromRunner | ToRun,
  seq: number,
  about: { job: string; attempt: number } | null,
): string {
  const { job, attempt } = about ?? { job: null, attempt: null };
  return JSON.stringify({ v: 1, seq, ack: 0, job, attempt, sig: null, body });
}
