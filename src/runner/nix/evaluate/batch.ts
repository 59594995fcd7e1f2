import type { Attribute } from "../../../protocol/attribute.ts";
import { ATTRIBUTE_BATCH } from "../../../protocol/attribute.ts";

/** Collects attributes and hands them on in batches: full ones at once, others before `ATTRIBUTE_BATCH.milliseconds` have passed. */
export function attributeBatches(send: (attributes: readonly Attribute[]) => Promise<void>): {
  push(attribute: Attribute): void;
  flush(): Promise<void>;
} {
  let waiting: Attribute[] = [];
  let timer: NodeJS.Timeout | undefined;
  let sent: Promise<void> = Promise.resolve();
  let failure: { readonly cause: unknown } | null = null;
  const hand = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    sent = sent
      .then(() => send(batch))
      .catch((cause: unknown) => {
        failure ??= { cause };
      });
  };
  return {
    push(attribute) {
      waiting.push(attribute);
      if (waiting.length >= ATTRIBUTE_BATCH.size) hand();
      else timer ??= setTimeout(hand, ATTRIBUTE_BATCH.milliseconds);
    },
    async flush() {
      hand();
      await sent;
      if (failure !== null)
        throw new Error("attributes could not be handed on", { cause: failure.cause });
    },
  };
}
