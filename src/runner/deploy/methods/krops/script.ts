/**
 * What the scripts that krops makes would do, read and not run. They name their ssh by its store path and give it options on
 * its command line, which count before any configuration: krebs/krops pkgs/krops/default.nix, pkgs/populate/default.nix@a6c7ecd.
 */

export type SshCall = {
  /** Null for what is given to rsync as `-e`. */
  host: string | null;
  port: string | null;
  /** `-o` values and other options that are not the connection's own words, as they are written. */
  options: string[];
};

/** Options of ssh that take an argument. */
const WITH_ARGUMENT = /[BbcDEeFIiJLlmOopQRSWw]/u;
const isSsh = (word: string): boolean => word === "ssh" || word.endsWith("/bin/ssh");

/** Every call of ssh in a script, those that are quoted in another's argument as well. */
export function sshCalls(script: string): SshCall[] {
  const calls: SshCall[] = [];
  for (const words of commandsOf(script)) {
    for (const [index, word] of words.entries()) {
      if (isSsh(word)) calls.push(callOf(words.slice(index + 1)));
      // `-e "ssh -l root"` of rsync.
      else if (words[index - 1] === "-e" && /\s/u.test(word)) {
        const [first, ...rest] = commandsOf(word)[0] ?? [];
        if (first !== undefined && isSsh(first)) calls.push({ ...callOf(rest), host: null });
      }
    }
  }
  return calls;
}

/** Whether it has this very host rebuild a system: its target, or its build target, is none. */
export function rebuildsHere(script: string): boolean {
  return commandsOf(script).some(
    (words) =>
      words.find((word) => !/^(?:exec|sudo|[A-Za-z_][A-Za-z0-9_]*=.*)$/su.test(word)) ===
      "nixos-rebuild",
  );
}

function callOf(words: readonly string[]): SshCall {
  const call: SshCall = { host: null, port: null, options: [] };
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? "";
    if (word === "--") continue;
    if (!word.startsWith("-") || word === "-") {
      call.host = word.slice(word.indexOf("@") + 1);
      return call;
    }
    const letter = word.search(WITH_ARGUMENT);
    const option = word[letter];
    const attached = letter === -1 ? "" : word.slice(letter + 1);
    if (option === undefined) {
      if (!["-T", "-t", "-tt", "-q", "-v", "-n"].includes(word)) call.options.push(word);
      continue;
    }
    if (attached === "") index += 1;
    const value = attached === "" ? (words[index] ?? "") : attached;
    if (option === "p") call.port = value;
    else if (option !== "l") call.options.push(`-${option} ${value}`);
  }
  return call;
}

/** `-o` keys that take nothing away from how the machine is known and reached. */
const HARMLESS =
  /^-o (?:loglevel|compression|serveralive\w+|connecttimeout|connectionattempts|batchmode|ciphers|macs|kexalgorithms|sendenv|setenv|requesttty)[= ]/iu;
const STRICT = /^-o (?:stricthostkeychecking[= ]+yes|control(?:master[= ]+no|path[= ]+none))\s*$/iu;

/** Why these calls must not be made, each a sentence. Empty where they may. */
export function objectionsTo(
  calls: readonly SshCall[],
  machine: { names: readonly string[]; port: number },
): string[] {
  const found = new Set<string>();
  if (!calls.some(({ host }) => host !== null))
    found.add("nothing in it goes to a machine: its target is this runner itself");
  for (const { host, port, options } of calls) {
    if (host !== null && !machine.names.includes(host))
      found.add(
        `it goes to ${host}, which this runner's policy does not know as the machine (${machine.names.join(", ")}); add it to \`krops.hosts\` there if it is`,
      );
    if (port !== null && port !== String(machine.port))
      found.add(`it goes to port ${port}, and the policy says ${machine.port}`);
    for (const option of options)
      if (!HARMLESS.test(option) && !STRICT.test(option))
        found.add(
          `it gives ssh \`${option.slice(0, 200)}\`, which would count before the policy's host key and address`,
        );
  }
  return [...found];
}

/** Words of each simple command, unquoted. Substitutions and variables stay as they are written. */
export function commandsOf(script: string): string[][] {
  const commands: string[][] = [];
  let words: string[] = [];
  let word: string | null = null;
  const endWord = (): void => {
    if (word !== null) words.push(word);
    word = null;
  };
  const endCommand = (): void => {
    endWord();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (let index = 0; index < script.length; index += 1) {
    const sign = script[index] ?? "";
    if (sign === "\\") {
      index += 1;
      if (script[index] !== "\n") word = (word ?? "") + (script[index] ?? "");
    } else if (sign === "'") {
      const end = script.indexOf("'", index + 1);
      const until = end === -1 ? script.length : end;
      word = (word ?? "") + script.slice(index + 1, until);
      index = until;
    } else if (sign === '"') {
      word ??= "";
      for (index += 1; index < script.length && script[index] !== '"'; index += 1) {
        if (script[index] === "\\") index += 1;
        word += script[index] ?? "";
      }
    } else if (sign === "#" && word === null) {
      const end = script.indexOf("\n", index);
      index = end === -1 ? script.length : end - 1;
    } else if (sign === " " || sign === "\t") endWord();
    else if (["\n", ";", "|", "&", "(", ")", "{", "}", "`"].includes(sign)) endCommand();
    else word = (word ?? "") + sign;
  }
  endCommand();
  return commands;
}
