/** GitHub caps payloads at 25 MB. */
export const LARGEST_BODY = 25 * 1_000 * 1_000;

/** The request's exact bytes, or null as soon as they are more than `most`. */
export async function readBody(request: Request, most = LARGEST_BODY): Promise<ArrayBuffer | null> {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    // HTTP holds the sender to the length it declares, so it need not be counted again.
    if (!(Number(declared) <= most)) return null;
    const body = await request.arrayBuffer();
    return body.byteLength <= most ? body : null;
  }
  if (request.body === null) return new ArrayBuffer(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels what is left of the stream.
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    size += chunk.byteLength;
    if (size > most) return null;
    chunks.push(chunk);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return body.buffer;
}
