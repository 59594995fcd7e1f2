import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "./clock.ts";
import { type Life, running, whenCommitted } from "./objects.ts";
import type { Random } from "./random.ts";

/** What answers `fetch`. Rejects where a connection is lost. */
export type Network = (request: Request) => Promise<Response>;

/**
 * Puts the world's time, timers, hashing and network in the place of Node's own. Real time and the thread pool would
 * make two plays of one seed differ.
 */
export function installGlobals(clock: Clock, random: Random, network: Network): void {
  const RealDate = Date;
  class WorldDate extends RealDate {
    constructor(...args: unknown[]) {
      if (args.length === 0) super(clock.now);
      else super(...(args as [number]));
    }
    static override now(): number {
      return Math.floor(clock.now);
    }
  }
  const later = (act: (...args: unknown[]) => void, milliseconds = 0, ...args: unknown[]) => {
    const life = running.getStore();
    const cancel = clock.after(milliseconds, () => {
      if (life?.alive === false) return;
      if (life === undefined) act(...args);
      else running.run(life, () => act(...args));
    });
    return { cancel, unref() {}, ref() {} };
  };
  const cancel = (timer: { cancel?: () => void } | undefined) => timer?.cancel?.();
  const wait = (milliseconds: number) =>
    new Promise<void>((resolve) => void later(() => resolve(), milliseconds));
  Object.assign(globalThis, {
    Date: WorldDate,
    setTimeout: later,
    clearTimeout: cancel,
    scheduler: { wait },
    fetch: (input: string | URL | Request, init?: RequestInit) =>
      outward(new Request(input, { ...init, signal: undefined }), init?.signal ?? null, network),
  });
  Object.defineProperty(AbortSignal, "timeout", {
    value: (milliseconds: number) => {
      const controller = new AbortController();
      later(
        () => controller.abort(new DOMException("the deadline is over", "TimeoutError")),
        milliseconds,
      );
      return controller.signal;
    },
  });
  Object.defineProperty(globalThis, "crypto", { value: crypto(random) });

  function outward(request: Request, signal: AbortSignal | null, ask: Network): Promise<Response> {
    const life: Life | null = running.getStore() ?? null;
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error));
      whenCommitted(life, () => {
        const come = (give: () => void) => {
          if (life?.alive === false) return;
          give();
        };
        ask(request).then(
          (answer) => come(() => resolve(answer)),
          (error: Error) => come(() => reject(error)),
        );
      });
    });
  }
}

/** WebCrypto as far as the Worker uses it, at once. An App's signature is no RSA here: this GitHub does not look at it. */
function crypto(random: Random) {
  type Key = { secret: Uint8Array };
  const bytes = (hash: Buffer) => new Uint8Array(hash).buffer;
  const hmac = ({ secret }: Key, data: ArrayBuffer) =>
    createHmac("sha256", secret).update(new Uint8Array(data)).digest();
  return {
    subtle: {
      digest: async (_name: string, data: ArrayBuffer) =>
        bytes(createHash("sha256").update(new Uint8Array(data)).digest()),
      importKey: async (_format: string, data: ArrayBuffer): Promise<Key> => ({
        secret: new Uint8Array(data),
      }),
      sign: async (_name: unknown, key: Key, data: ArrayBuffer) => bytes(hmac(key, data)),
      verify: async (_name: unknown, key: Key, signature: Uint8Array, data: ArrayBuffer) =>
        timingSafeEqual(signature, hmac(key, data)),
    },
    randomUUID: () => {
      const hex = random.hex(32);
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
    },
    getRandomValues: (array: Uint8Array) => {
      for (let i = 0; i < array.length; i += 1) array[i] = random.below(256);
      return array;
    },
  };
}
