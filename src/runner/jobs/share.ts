import type { Attribute } from "../../protocol/attribute.ts";
import type { Place } from "./place.ts";

/**
 * The same place, where derivations go to the exchange before anybody hears of them. A runner that does not find them
 * there evaluates again, so an exchange that cannot be written does not end the evaluation.
 */
export function shareDerivations<P extends Place>(place: P): P {
  const { exchange, sink, say, signal } = place;
  if (exchange === null) return place;
  let failed = false;
  const put = async (list: readonly Attribute[]): Promise<void> => {
    const drvs = list.flatMap(({ result }) =>
      result.kind === "derivation" ? [result.derivation.path] : [],
    );
    if (drvs.length === 0 || failed) return;
    try {
      await exchange.pushDerivations(drvs, signal);
    } catch (error) {
      signal.throwIfAborted();
      failed = true;
      say(
        `other runners have to evaluate again: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };
  return {
    ...place,
    sink: {
      ...sink,
      attributes: async (list) => {
        await put(list);
        await sink.attributes(list);
      },
    },
  };
}
