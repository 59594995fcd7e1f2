import type { MethodPlace } from "../method.ts";
import type { KropsTool } from "./tool.ts";

type Place = MethodPlace<KropsTool>;
const told = new WeakMap<Place, string[]>();

/** A line of the log that also stands in the outcome of a deploy that succeeds. */
export function tell(place: Place, notice: string): void {
  place.say(notice);
  told.set(place, [...(told.get(place) ?? []), notice]);
}

export const noticesOf = (place: Place): readonly string[] => told.get(place) ?? [];
