/** Whether the request carries `secret` as bearer. Hashes are compared, in constant time, so lengths tell nothing either. */
export async function hasBearer(request: Request, secret: string): Promise<boolean> {
  const given = /^Bearer ([\x21-\x7e]{1,4096})$/u.exec(
    request.headers.get("authorization") ?? "",
  )?.[1];
  // A secret that is not set opens nothing.
  if (given === undefined || secret === undefined || secret.length < 16) return false;
  const [a, b] = await Promise.all([digest(given), digest(secret)]);
  return crypto.subtle.timingSafeEqual(a, b);
}

function digest(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}
