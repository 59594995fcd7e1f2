import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Probot, Server } from "probot";

/**
 * The peer: Probot's own Node server, whose handler stores each delivery in SQLite (WAL, synchronous=FULL) before the
 * request is answered. Started as a process of its own; prints its port.
 */
const database = new DatabaseSync(
  join(mkdtempSync(join(process.env["PEER_DIRECTORY"] ?? tmpdir(), "peer-")), "deliveries.sqlite"),
);
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
database.exec(
  "CREATE TABLE delivery (id TEXT PRIMARY KEY, event TEXT NOT NULL, body TEXT NOT NULL) STRICT",
);
const insert = database.prepare(
  "INSERT OR IGNORE INTO delivery (id, event, body) VALUES (?, ?, ?)",
);

const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const server = new Server({
  port: Number(process.env["PEER_PORT"]),
  host: "127.0.0.1",
  Probot: Probot.defaults({
    appId: 1,
    privateKey,
    secret: process.env["PEER_SECRET"] ?? "",
    logLevel: "fatal",
  }),
});
await server.load((app) => {
  app.onAny(({ id, name, payload }) => {
    insert.run(id, name, JSON.stringify(payload));
  });
});
await server.start();
process.stdout.write(`listening ${server.port}\n`);
