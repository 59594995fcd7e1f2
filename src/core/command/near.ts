/**
 * The candidate that `typed` is a slip of, if it is near enough: one letter in short words, two in longer ones. Case does
 * not count. Null for none.
 */
export function nearest<Name extends string>(
  typed: string,
  candidates: readonly Name[],
): Name | null {
  const word = typed.toLowerCase();
  const most = word.length <= 5 ? 1 : 2;
  let best: { name: Name; distance: number } | null = null;
  for (const name of candidates) {
    if (Math.abs(name.length - word.length) > most) continue;
    const distance = distanceBetween(word, name);
    if (distance <= most && (best === null || distance < best.distance)) best = { name, distance };
  }
  return best?.name ?? null;
}

/** Letters to insert, delete, replace, or exchange with their neighbour (Damerau's, restricted). */
function distanceBetween(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a.charAt(row - 1) === b.charAt(column - 1);
      let least = Math.min(
        (above[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const exchanged =
        row > 1 &&
        column > 1 &&
        a.charAt(row - 1) === b.charAt(column - 2) &&
        a.charAt(row - 2) === b.charAt(column - 1);
      if (exchanged) least = Math.min(least, (before[column - 2] ?? 0) + 1);
      current.push(least);
    }
    before = above;
    above = current;
  }
  return above[b.length] ?? 0;
}
