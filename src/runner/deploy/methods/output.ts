/** Bytes of what a tool said that its end keeps. */
const TAIL = 16_384;
/** A line that never ends is cut here. */
const LINE = 8_192;

/** What a program says on stdout and stderr as lines in the order they come; the end of it is kept. */
export class Output {
  readonly #say: (line: string) => void;
  readonly #streams = {
    stdout: { decoder: new TextDecoder(), rest: "" },
    stderr: { decoder: new TextDecoder(), rest: "" },
  };
  #tail = "";

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  take(name: "stdout" | "stderr", chunk: Uint8Array): void {
    const stream = this.#streams[name];
    const lines = (stream.rest + stream.decoder.decode(chunk, { stream: true })).split(/\r?\n/u);
    stream.rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
    if (stream.rest.length > LINE) {
      this.#line(stream.rest);
      stream.rest = "";
    }
  }

  /** Everything has come. @returns the end of what was said. */
  end(): string {
    for (const stream of [this.#streams.stdout, this.#streams.stderr]) {
      const last = stream.rest + stream.decoder.decode();
      if (last !== "") this.#line(last);
      stream.rest = "";
    }
    return this.#tail.trimEnd();
  }

  #line(line: string): void {
    this.#say(line);
    this.#tail = `${this.#tail}${line}\n`.slice(-TAIL);
  }
}
