/** Deliveries set aside are few among many that are done. */
export const INBOX_ASIDE = "CREATE INDEX inbox_aside ON inbox (id) WHERE state = 'aside'";

/**
 * Deliveries and what is due, the same in every object that takes deliveries in. A delivery stays as a row without body
 * for as long as GitHub can bring it again. Times are Unix ms.
 */
export const INBOX_SCHEMA = `
CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery TEXT NOT NULL UNIQUE,
  event TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'aside')),
  at INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  size INTEGER NOT NULL,
  body BLOB,
  blob TEXT,
  error TEXT,
  cause TEXT
) STRICT;
CREATE INDEX inbox_waiting ON inbox (at, id) WHERE state = 'waiting';
CREATE INDEX inbox_past ON inbox (received_at) WHERE state <> 'waiting';
CREATE TABLE due (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  at INTEGER NOT NULL,
  payload TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX due_at ON due (at);
CREATE INDEX due_target ON due (target, id);
`;
