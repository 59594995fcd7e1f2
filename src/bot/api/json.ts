import { readBody } from "../github/body.ts";

/** Requests to our own routes are small (bytes). */
const LARGEST = 64 * 1_024;

/** The request's JSON, or undefined where it is none or too large; the caller's schema refuses that. */
export async function readJson(request: Request): Promise<unknown> {
  const body = await readBody(request, LARGEST);
  if (body === null) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
