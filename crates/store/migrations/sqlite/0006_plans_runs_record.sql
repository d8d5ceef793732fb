-- Conventions: see 0001.

-- The audit record: what was intended and what came of it. It only grows; the triggers below refuse
-- everything else, and numbers have no gap. What a leaf is stands in record_log/canonical.rs.
CREATE TABLE audit_record (
    -- 1, 2, 3...
    number INTEGER PRIMARY KEY,
    -- Which canonical encoding leaf_hash was made with.
    format INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- 'intent', 'outcome' or 'event'
    kind TEXT NOT NULL,
    -- The intent that an outcome is of.
    answers INTEGER REFERENCES audit_record (number),
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    -- NULL = of no single client: only who may see every client sees it.
    client_id INTEGER REFERENCES client (id),
    target TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT,
    plan_hash BLOB,
    git_commit TEXT,
    before_hash BLOB,
    after_hash BLOB,
    outcome TEXT,
    -- Canonical JSON (RFC 8785).
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    leaf_hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_record_answers ON audit_record (answers) WHERE answers IS NOT NULL;
CREATE INDEX audit_record_client ON audit_record (client_id, number);

-- A plan's canonical bytes, kept once however often they are saved. Read only through plans of which every
-- host is in the reader's scope.
CREATE TABLE plan_content (
    -- SHA-256 over bytes.
    hash BLOB PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE plan (
    -- As it is shown: 'plan_' and 26 characters that begin with the time.
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL REFERENCES plan_content (hash),
    -- What it was based on.
    facts BLOB NOT NULL,
    deploy TEXT NOT NULL,
    selector TEXT NOT NULL,
    author TEXT NOT NULL,
    via TEXT NOT NULL,
    git_commit TEXT,
    is_dirty INTEGER NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;
CREATE INDEX plan_hash ON plan (hash);

CREATE TABLE plan_host (
    plan_id TEXT NOT NULL REFERENCES plan (id),
    client_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    -- Steps that change something.
    changes INTEGER NOT NULL,
    PRIMARY KEY (plan_id, host_id),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT, WITHOUT ROWID;

-- A person's signature over a plan's hash. Read like plan_content.
CREATE TABLE approval (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL REFERENCES plan_content (hash),
    person TEXT NOT NULL,
    signature TEXT NOT NULL,
    -- Of the key that signed.
    fingerprint TEXT NOT NULL,
    -- Where the key is declared for the person.
    git_commit TEXT NOT NULL,
    approved_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- Why nobody else was asked; NULL = somebody else was.
    reason TEXT
) STRICT;
CREATE INDEX approval_hash ON approval (hash);

CREATE TABLE run (
    -- 32 hexadecimal digits.
    id TEXT PRIMARY KEY,
    plan_id TEXT NOT NULL REFERENCES plan (id),
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    -- NULL = nobody said that it has ended.
    ended_at INTEGER
) STRICT;
CREATE INDEX run_begun_at ON run (begun_at);

CREATE TABLE run_host (
    run_id TEXT NOT NULL REFERENCES run (id),
    client_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    -- 'waiting', 'started', 'done', 'stopped', 'refused', 'unreachable', 'in-doubt' or 'not-started'
    state TEXT NOT NULL,
    -- The last intent to touch it; a 'started' host's has no outcome yet.
    intent INTEGER REFERENCES audit_record (number),
    started_at INTEGER,
    ended_at INTEGER,
    deadline INTEGER,
    -- The last step that the host told the end of.
    last_step INTEGER,
    -- JSON list, see problem_text.rs; at most one.
    problems TEXT NOT NULL,
    PRIMARY KEY (run_id, host_id),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_host_unsettled ON run_host (host_id) WHERE state IN ('started', 'in-doubt');

CREATE TABLE run_step (
    run_id TEXT NOT NULL REFERENCES run (id),
    client_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    -- Its place in the host's steps, from 0.
    step INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    -- The exit status of an action that failed.
    status INTEGER,
    -- Why it failed, or what was found instead.
    detail TEXT,
    -- Microseconds.
    duration INTEGER,
    stdout BLOB NOT NULL,
    stderr BLOB NOT NULL,
    -- Whether stdout and stderr are the ends of longer ones.
    is_cut INTEGER NOT NULL,
    PRIMARY KEY (run_id, host_id, step),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT;

-- Who works on a host: one run at a time, in all processes.
CREATE TABLE host_claim (
    host_id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL,
    -- A run's id; the run need not be begun yet.
    run_id TEXT NOT NULL,
    -- From then on the claim is void.
    claimed_until INTEGER NOT NULL,
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT;
CREATE INDEX host_claim_run ON host_claim (run_id);

-- Secrets, sealed with a key that is not in the database. Only the last version is kept.
CREATE TABLE secret (
    id INTEGER PRIMARY KEY,
    -- NULL = of no single client: only who may see every client sees it.
    client_id INTEGER REFERENCES client (id),
    name TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    -- See sealing.rs.
    sealed BLOB NOT NULL,
    set_at INTEGER NOT NULL,
    set_by TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_record_in_turn BEFORE INSERT ON audit_record
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM audit_record)
BEGIN SELECT RAISE(ABORT, 'audit_record is append-only: the number is not the next one'); END;
CREATE TRIGGER audit_record_no_update BEFORE UPDATE ON audit_record
BEGIN SELECT RAISE(ABORT, 'audit_record is append-only'); END;
CREATE TRIGGER audit_record_no_delete BEFORE DELETE ON audit_record
BEGIN SELECT RAISE(ABORT, 'audit_record is append-only'); END;
CREATE TRIGGER plan_content_no_update BEFORE UPDATE ON plan_content
BEGIN SELECT RAISE(ABORT, 'plan_content is append-only'); END;
CREATE TRIGGER plan_content_no_delete BEFORE DELETE ON plan_content
BEGIN SELECT RAISE(ABORT, 'plan_content is append-only'); END;
CREATE TRIGGER plan_no_update BEFORE UPDATE ON plan
BEGIN SELECT RAISE(ABORT, 'plan is append-only'); END;
CREATE TRIGGER plan_no_delete BEFORE DELETE ON plan
BEGIN SELECT RAISE(ABORT, 'plan is append-only'); END;
CREATE TRIGGER plan_host_no_update BEFORE UPDATE ON plan_host
BEGIN SELECT RAISE(ABORT, 'plan_host is append-only'); END;
CREATE TRIGGER plan_host_no_delete BEFORE DELETE ON plan_host
BEGIN SELECT RAISE(ABORT, 'plan_host is append-only'); END;
CREATE TRIGGER approval_no_update BEFORE UPDATE ON approval
BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END;
CREATE TRIGGER approval_no_delete BEFORE DELETE ON approval
BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END;
