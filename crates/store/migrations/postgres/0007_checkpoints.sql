-- Conventions: see 0001.

-- What the audit record is called in its checkpoints; one row, drawn once.
CREATE TABLE audit_origin (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    origin TEXT NOT NULL
);

-- Signed statements of what the record was: the root of the Merkle tree over its first records.
CREATE TABLE audit_checkpoint (
    -- How many records.
    size BIGINT PRIMARY KEY,
    root BYTEA NOT NULL,
    at BIGINT NOT NULL,
    -- The signed note (https://c2sp.org/tlog-checkpoint).
    note TEXT NOT NULL,
    -- The roots of the complete trees that the tree is made of, the largest first: what the next one starts from.
    frontier BYTEA NOT NULL
);

-- Where checkpoints were brought to, and what came of the last attempt.
CREATE TABLE audit_anchor (
    -- 'git', 'push:REMOTE', 'notify:NAME' or 'file:PATH'
    place TEXT COLLATE "C" PRIMARY KEY,
    -- The last checkpoint that arrived; NULL = none.
    size BIGINT,
    anchored_at BIGINT,
    tried_at BIGINT NOT NULL,
    -- Why the last attempt failed; NULL = it did not.
    problem TEXT
);

CREATE OR REPLACE FUNCTION ifrit_checkpoint_in_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size <= (SELECT coalesce(max(size), 0) FROM audit_checkpoint) THEN
        RAISE EXCEPTION 'audit_checkpoint is append-only: there is one of this size or a larger one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_checkpoint_in_turn BEFORE INSERT ON audit_checkpoint
    FOR EACH ROW EXECUTE FUNCTION ifrit_checkpoint_in_turn();
CREATE TRIGGER audit_checkpoint_no_change BEFORE UPDATE OR DELETE ON audit_checkpoint
    FOR EACH ROW EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER audit_checkpoint_no_truncate BEFORE TRUNCATE ON audit_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER audit_origin_no_change BEFORE UPDATE OR DELETE ON audit_origin
    FOR EACH ROW EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER audit_origin_no_truncate BEFORE TRUNCATE ON audit_origin
    FOR EACH STATEMENT EXECUTE FUNCTION ifrit_append_only();
