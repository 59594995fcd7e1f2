import { isNotInstalled, type Only, type Token } from "../../github/client/index.ts";
import type { MintedInputs } from "../contracts.ts";

/**
 * One token for the repositories that the installation has. GitHub refuses the whole when it lacks one, and does not say
 * which: then each is tried by itself, and the token made for the rest.
 */
export async function mintInputs(
  mintFor: (only: Only) => Promise<Token>,
  own: string,
  names: readonly string[],
): Promise<MintedInputs> {
  const attempt = async (wanted: readonly string[]): Promise<Token | null> => {
    try {
      return await mintFor({ names: [...new Set([own, ...wanted])] });
    } catch (error) {
      if (isNotInstalled(error)) return null;
      throw error;
    }
  };
  const all = await attempt(names);
  if (all !== null) return { token: all, opened: [...names], notInstalled: [] };
  const opened: string[] = [];
  for (const name of names) if ((await attempt([name])) !== null) opened.push(name);
  const notInstalled = names.filter((name) => !opened.includes(name));
  return { token: opened.length === 0 ? null : await attempt(opened), opened, notInstalled };
}
