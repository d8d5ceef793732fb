-- Conventions: see 0001.

-- What the audit record is called in its checkpoints; one row, drawn once.
CREATE TABLE audit_origin (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    origin TEXT NOT NULL
) STRICT;

-- Signed statements of what the record was: the root of the Merkle tree over its first records.
CREATE TABLE audit_checkpoint (
    -- How many records.
    size INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    at INTEGER NOT NULL,
    -- The signed note (https://c2sp.org/tlog-checkpoint).
    note TEXT NOT NULL,
    -- The roots of the complete trees that the tree is made of, the largest first: what the next one starts from.
    frontier BLOB NOT NULL
) STRICT;

-- Where checkpoints were brought to, and what came of the last attempt.
CREATE TABLE audit_anchor (
    -- 'git', 'push:REMOTE', 'notify:NAME' or 'file:PATH'
    place TEXT PRIMARY KEY,
    -- The last checkpoint that arrived; NULL = none.
    size INTEGER,
    anchored_at INTEGER,
    tried_at INTEGER NOT NULL,
    -- Why the last attempt failed; NULL = it did not.
    problem TEXT
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_origin_once BEFORE INSERT ON audit_origin
WHEN EXISTS (SELECT 1 FROM audit_origin)
BEGIN SELECT RAISE(ABORT, 'audit_origin is append-only'); END;
CREATE TRIGGER audit_origin_no_update BEFORE UPDATE ON audit_origin
BEGIN SELECT RAISE(ABORT, 'audit_origin is append-only'); END;
CREATE TRIGGER audit_origin_no_delete BEFORE DELETE ON audit_origin
BEGIN SELECT RAISE(ABORT, 'audit_origin is append-only'); END;
CREATE TRIGGER audit_checkpoint_in_turn BEFORE INSERT ON audit_checkpoint
WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM audit_checkpoint)
BEGIN SELECT RAISE(ABORT, 'audit_checkpoint is append-only: there is one of this size or a larger one'); END;
CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'audit_checkpoint is append-only'); END;
CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'audit_checkpoint is append-only'); END;
