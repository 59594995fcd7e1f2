import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { LogFrame, type ToLog } from "../../protocol/data.ts";

/** Where an attempt keeps copies of what it sent, and marks of streams that ended. */
export function copiesIn(directory: string): { copies: string; closed: string } {
  return { copies: join(directory, "streams"), closed: join(directory, "closed") };
}

/**
 * After a crash of the agent: ends of the streams that were still open. `frames` are the texts of those log frames that
 * are not acknowledged; a copy may lack what they hold, never more.
 */
export async function closeAfterCrash(
  directory: string,
  frames: readonly string[],
): Promise<ToLog[]> {
  const { copies, closed } = copiesIn(directory);
  await mkdir(copies, { recursive: true, mode: 0o700 });
  await mkdir(closed, { recursive: true, mode: 0o700 });
  const ended = new Set(await readdir(closed));
  for (const text of frames) {
    const { body } = LogFrame.parse(JSON.parse(text));
    if (body.kind === "close") ended.add(body.stream);
    else await patch(join(copies, body.stream), body.offset, Buffer.from(body.data, "base64"));
  }
  const open = (await readdir(copies)).filter((stream) => !ended.has(stream));
  return await Promise.all(
    open.map(async (stream) => {
      const data = await readFile(join(copies, stream));
      return {
        kind: "close" as const,
        stream,
        size: data.length,
        sha256: createHash("sha256").update(data).digest("hex"),
        dropped: 0,
      };
    }),
  );
}

async function patch(path: string, offset: number, data: Buffer): Promise<void> {
  const file = await open(path, "a+", 0o600).then(async (made) => {
    await made.close();
    return await open(path, "r+");
  });
  try {
    await file.write(data, 0, data.length, offset);
  } finally {
    await file.close();
  }
}
