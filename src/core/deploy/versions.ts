/** Order of two versions, as `builtins.compareVersions` has it: negative where `a` is the older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [componentsOf(a), componentsOf(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const order = compareComponents(left[at] ?? "", right[at] ?? "");
    if (order !== 0) return order;
  }
  return 0;
}

/** Runs of digits, and runs of anything else between dots and dashes. */
function componentsOf(version: string): string[] {
  return version.match(/[0-9]+|[^0-9.-]+/gu) ?? [];
}

const isNumber = (component: string): boolean => /^[0-9]+$/u.test(component);

function compareComponents(a: string, b: string): number {
  if (a === b) return 0;
  if (isNumber(a) && isNumber(b)) {
    const [left, right] = [BigInt(a), BigInt(b)];
    return left === right ? 0 : left < right ? -1 : 1;
  }
  // `1.0pre` comes before `1.0`, and a number after the end.
  if (a === "pre") return -1;
  if (b === "pre") return 1;
  if (a === "" && isNumber(b)) return -1;
  if (b === "" && isNumber(a)) return 1;
  if (isNumber(a)) return 1;
  if (isNumber(b)) return -1;
  return a < b ? -1 : 1;
}
