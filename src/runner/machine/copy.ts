import { pipeline } from "node:stream/promises";
import { run, start, succeeded, describeEnd } from "../process/index.ts";
import { readAnswer } from "./answer.ts";
import type {
  Copied,
  CopyRequest,
  MachineFault,
  MissingRequest,
  Reply,
  SourceStore,
} from "./machine.ts";
import type { Talk } from "./talk.ts";

/** Bytes of paths on one command line: the kernel takes 2 MiB, environment included. */
const ARGUMENT_BYTES = 1024 * 1024;

/**
 * As one stream of `nix-store --export` into `nix-store --import`, under the machine's own lock: no round trip for each
 * path, and what came is known to it. Signatures are not looked at by either end; the manifest is what is believed.
 */
export async function copyClosure(
  talk: Talk,
  request: CopyRequest,
  known: readonly string[] | null,
): Promise<Reply<Copied>> {
  const { counter, system, paths, from, timeoutSeconds } = request;
  const deadline = performance.now() + timeoutSeconds * 1_000;
  const left = () => Math.max(1, Math.ceil((deadline - performance.now()) / 1_000));
  const missing: Reply<readonly string[]> =
    known === null
      ? await askMissing(talk, { paths, counter }, left())
      : { kind: "done", value: known };
  if (missing.kind !== "done") return missing;
  const ordered = await inOrder(from, system, missing.value);
  if (!Array.isArray(ordered)) return ordered;
  let bytes = 0;
  for (const chunk of chunks(ordered)) {
    const sent = await send(talk, counter, chunk, from, left());
    if (sent.kind !== "done") return sent;
    bytes += sent.value;
  }
  return { kind: "done", value: { paths: ordered.length, bytes } };
}

/** @param seconds for the list to arrive, and for the answer */
export function askMissing(
  talk: Talk,
  { paths, counter }: MissingRequest,
  seconds: number,
): Promise<Reply<string[]>> {
  const words = ["missing", String(seconds), ...(counter === undefined ? [] : [String(counter)])];
  return talk.ask(words, (facts) => facts.each("missing").flatMap(([path]) => path ?? []), {
    input: `${paths.join("\n")}\n`,
    seconds,
    repeatable: true,
  });
}

/** References first, as an import wants them, where more than one stream is needed. */
async function inOrder(
  from: SourceStore,
  system: string,
  missing: readonly string[],
): Promise<string[] | MachineFault> {
  // An export puts its paths in order by itself, and says what it has not.
  if (missing.reduce((sum, path) => sum + path.length + 1, 0) <= ARGUMENT_BYTES)
    return [...missing];
  const closure = await run([from.nixStore, ...store(from), "-qR", system], { env: from.env });
  if (!succeeded(closure)) return exportFailed(describeEnd(closure), closure.stderr);
  const wanted = new Set(missing);
  const ordered = new TextDecoder()
    .decode(closure.stdout)
    .split("\n")
    .filter((path) => wanted.delete(path));
  if (wanted.size > 0)
    return exportFailed(`it has not ${[...wanted].slice(0, 3).join(", ")}`, new Uint8Array());
  return ordered;
}

function* chunks(paths: readonly string[]): Generator<string[]> {
  let chunk: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    if (bytes + path.length + 1 > ARGUMENT_BYTES) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(path);
    bytes += path.length + 1;
  }
  if (chunk.length > 0) yield chunk;
}

async function send(
  talk: Talk,
  counter: number,
  paths: readonly string[],
  from: SourceStore,
  seconds: number,
): Promise<Reply<number>> {
  const began = performance.now();
  const { connectSeconds, signal, env } = talk.options;
  const verb = ["receive", String(counter), String(seconds)];
  const both = {
    timeoutMs: (connectSeconds + seconds) * 1_000,
    ...(signal === undefined ? {} : { signal }),
  };
  const receiver = start(talk.ssh.argv(verb), { ...both, env });
  const sender = start([from.nixStore, ...store(from), "--export", ...paths], {
    ...both,
    env: from.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const answer = kept(receiver.stdout);
  const complaints = kept(receiver.stderr);
  const refusals = kept(sender.stderr);
  let bytes = 0;
  sender.stdout?.on("data", (chunk: Uint8Array) => (bytes += chunk.length));
  receiver.stdin?.write(talk.ssh.preamble);
  // Whoever ends first takes the other along; how each ended is told by itself.
  if (sender.stdout && receiver.stdin)
    void pipeline(sender.stdout, receiver.stdin).catch(() => sender.terminate());
  void receiver.exited.then(() => sender.terminate());
  const [received, sent] = await Promise.all([receiver.ended, sender.ended]);
  const reply = talk.reply(verb, readAnswer(answer(), complaints(), received), () => bytes, began);
  // A machine that got half a stream says that it was cut short; why, is known here.
  if (reply.kind === "failed" && !succeeded(sent) && !sent.cancelled && sent.signal === null)
    return exportFailed(describeEnd(sent), Buffer.from(refusals()));
  return reply;
}

/** The end of what a stream says. */
function kept(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.on("data", (chunk: Uint8Array) => {
    text = `${text}${Buffer.from(chunk).toString("utf8")}`.slice(-1_000_000);
  });
  return () => text;
}

function store({ url }: SourceStore): string[] {
  return url === null ? [] : ["--store", url];
}

function exportFailed(how: string, stderr: Uint8Array): MachineFault {
  return {
    kind: "failed",
    why: `the runner's store did not give the closure: ${how}`,
    log: new TextDecoder().decode(stderr).slice(-16_384),
  };
}
