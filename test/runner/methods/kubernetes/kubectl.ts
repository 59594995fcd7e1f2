import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A stand-in for kubectl 1.32: `config view`, `proxy --unix-socket`, `exec … cat`; strict about its flags, and recording them.
 * There is no control plane to ask: behind the proxy stands the double.
 */
const KUBECTL = (double: string, log: string) => `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
const net = require("node:net");
const words = process.argv.slice(2);
appendFileSync(${JSON.stringify(log)}, JSON.stringify({ words, env: Object.keys(process.env).sort() }) + "\\n");
const kubeconfig = JSON.parse(readFileSync(words.shift().slice("--kubeconfig=".length), "utf8"));
const context = words.shift().slice("--context=".length);
if (kubeconfig.context !== context) { console.error("error: cannot locate context " + context); process.exit(1); }
if (words.join(" ") === "config view --minify --flatten --raw -o jsonpath={.clusters[0].cluster}")
  process.stdout.write(JSON.stringify(kubeconfig.cluster));
else if (words[0] === "proxy" && words[1].startsWith("--unix-socket=") && words.length === 4)
  net.createServer((client) => { const up = net.connect(${JSON.stringify(double)}); client.pipe(up).pipe(client); client.on("error", () => {}); up.on("error", () => {}); })
    .listen(words[1].slice("--unix-socket=".length), () => console.log("Starting to serve on " + words[1].slice(14)));
else if (words.includes("exec")) process.stdout.write(kubeconfig.files[words.at(-1)] ?? "");
else { console.error("error: unknown command " + words.join(" ")); process.exit(1); }
`;

const FILES = {
  "/etc/machines":
    "ssh-ng://nix@node-1.nix-builders.csi.svc x86_64-linux\nssh-ng://nix@node-10.nix-builders.csi.svc\n",
};

export interface StandIn {
  /** For PATH. */
  readonly folder: string;
  /** The certificate of the cluster's authority. */
  readonly pem: string;
  /** What a kubeconfig says of it. */
  readonly cluster: object;
  /** Writes the kubeconfig and returns where it is. */
  configure(cluster?: object): Promise<string>;
  calls(): Promise<{ words: string[]; env: string[] }[]>;
  remove(): Promise<void>;
}

/** @param socket of the double. */
export async function installKubectl(socket: string): Promise<StandIn> {
  const folder = await mkdtemp(join(tmpdir(), "snowcat-kubectl-"));
  const log = join(folder, "log");
  const pem = await readFile(new URL("fixtures/authority.pem", import.meta.url), "utf8");
  await writeFile(log, "");
  await writeFile(join(folder, "kubectl"), KUBECTL(socket, log));
  await chmod(join(folder, "kubectl"), 0o755);
  const cluster = {
    server: "https://192.0.2.1:6443",
    "certificate-authority-data": Buffer.from(pem).toString("base64"),
  };
  return {
    folder,
    pem,
    cluster,
    async configure(written = cluster) {
      const kubeconfig = join(folder, "kubeconfig");
      const text = { context: "production", cluster: written, files: FILES, user: "a secret" };
      await writeFile(kubeconfig, JSON.stringify(text));
      return kubeconfig;
    },
    async calls() {
      const lines = (await readFile(log, "utf8")).split("\n").filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line) as { words: string[]; env: string[] });
    },
    remove: () => rm(folder, { recursive: true }),
  };
}
