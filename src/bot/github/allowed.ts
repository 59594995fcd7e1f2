let cached: { text: string; ids: Set<number> } = { text: "", ids: new Set() };

/** The accounts of `ALLOWED_ACCOUNTS`. What is not a number is no account: health says so, nothing is served by it. */
export function allowedAccounts(text: string): ReadonlySet<number> {
  if (cached.text !== text) {
    const ids = text
      .split(",")
      .map((part) => Number(part.trim()))
      .filter((id) => Number.isSafeInteger(id) && id > 0);
    cached = { text, ids: new Set(ids) };
  }
  return cached.ids;
}

export function isAllowed(text: string, account: number | null): boolean {
  return account !== null && allowedAccounts(text).has(account);
}
