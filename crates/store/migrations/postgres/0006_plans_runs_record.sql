-- Conventions: see 0001.

-- The audit record: what was intended and what came of it. It only grows; the triggers below refuse
-- everything else, and numbers have no gap. What a leaf is stands in record_log/canonical.rs.
CREATE TABLE audit_record (
    -- 1, 2, 3...
    number BIGINT PRIMARY KEY,
    -- Which canonical encoding leaf_hash was made with.
    format BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- 'intent', 'outcome' or 'event'
    kind TEXT NOT NULL,
    -- The intent that an outcome is of.
    answers BIGINT REFERENCES audit_record (number),
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    -- NULL = of no single client: only who may see every client sees it.
    client_id BIGINT REFERENCES client (id),
    target TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT,
    plan_hash BYTEA,
    git_commit TEXT,
    before_hash BYTEA,
    after_hash BYTEA,
    outcome TEXT,
    -- Canonical JSON (RFC 8785).
    body TEXT NOT NULL,
    salt BYTEA NOT NULL,
    leaf_hash BYTEA NOT NULL
);
CREATE UNIQUE INDEX audit_record_answers ON audit_record (answers) WHERE answers IS NOT NULL;
CREATE INDEX audit_record_client ON audit_record (client_id, number);

-- A plan's canonical bytes, kept once however often they are saved. Read only through plans of which every
-- host is in the reader's scope.
CREATE TABLE plan_content (
    -- SHA-256 over bytes.
    hash BYTEA PRIMARY KEY,
    bytes BYTEA NOT NULL
);

CREATE TABLE plan (
    -- As it is shown: 'plan_' and 26 characters that begin with the time.
    id TEXT COLLATE "C" PRIMARY KEY,
    hash BYTEA NOT NULL REFERENCES plan_content (hash),
    -- What it was based on.
    facts BYTEA NOT NULL,
    deploy TEXT NOT NULL,
    selector TEXT NOT NULL,
    author TEXT NOT NULL,
    via TEXT NOT NULL,
    git_commit TEXT,
    is_dirty BIGINT NOT NULL,
    made_at BIGINT NOT NULL
);
CREATE INDEX plan_hash ON plan (hash);

CREATE TABLE plan_host (
    plan_id TEXT COLLATE "C" NOT NULL REFERENCES plan (id),
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    -- Steps that change something.
    changes BIGINT NOT NULL,
    PRIMARY KEY (plan_id, host_id),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);

-- A person's signature over a plan's hash. Read like plan_content.
CREATE TABLE approval (
    id BIGINT PRIMARY KEY,
    hash BYTEA NOT NULL REFERENCES plan_content (hash),
    person TEXT NOT NULL,
    signature TEXT NOT NULL,
    -- Of the key that signed.
    fingerprint TEXT NOT NULL,
    -- Where the key is declared for the person.
    git_commit TEXT NOT NULL,
    approved_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- Why nobody else was asked; NULL = somebody else was.
    reason TEXT
);
CREATE INDEX approval_hash ON approval (hash);

CREATE TABLE run (
    -- 32 hexadecimal digits.
    id TEXT COLLATE "C" PRIMARY KEY,
    plan_id TEXT COLLATE "C" NOT NULL REFERENCES plan (id),
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    -- NULL = nobody said that it has ended.
    ended_at BIGINT
);
CREATE INDEX run_begun_at ON run (begun_at);

CREATE TABLE run_host (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    -- 'waiting', 'started', 'done', 'stopped', 'refused', 'unreachable', 'in-doubt' or 'not-started'
    state TEXT NOT NULL,
    -- The last intent to touch it; a 'started' host's has no outcome yet.
    intent BIGINT REFERENCES audit_record (number),
    started_at BIGINT,
    ended_at BIGINT,
    deadline BIGINT,
    -- The last step that the host told the end of.
    last_step BIGINT,
    -- JSON list, see problem_text.rs; at most one.
    problems TEXT NOT NULL,
    PRIMARY KEY (run_id, host_id),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);
CREATE INDEX run_host_unsettled ON run_host (host_id) WHERE state IN ('started', 'in-doubt');

CREATE TABLE run_step (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    -- Its place in the host's steps, from 0.
    step BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    -- The exit status of an action that failed.
    status BIGINT,
    -- Why it failed, or what was found instead.
    detail TEXT,
    -- Microseconds.
    duration BIGINT,
    stdout BYTEA NOT NULL,
    stderr BYTEA NOT NULL,
    -- Whether stdout and stderr are the ends of longer ones.
    is_cut BIGINT NOT NULL,
    PRIMARY KEY (run_id, host_id, step),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);

-- Who works on a host: one run at a time, in all processes.
CREATE TABLE host_claim (
    host_id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    -- A run's id; the run need not be begun yet.
    run_id TEXT COLLATE "C" NOT NULL,
    -- From then on the claim is void.
    claimed_until BIGINT NOT NULL,
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);
CREATE INDEX host_claim_run ON host_claim (run_id);

-- Secrets, sealed with a key that is not in the database. Only the last version is kept.
CREATE TABLE secret (
    id BIGINT PRIMARY KEY,
    -- NULL = of no single client: only who may see every client sees it.
    client_id BIGINT REFERENCES client (id),
    name TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    -- See sealing.rs.
    sealed BYTEA NOT NULL,
    set_at BIGINT NOT NULL,
    set_by TEXT NOT NULL
);

CREATE OR REPLACE FUNCTION ifrit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE OR REPLACE FUNCTION ifrit_record_in_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number IS DISTINCT FROM (SELECT coalesce(max(number), 0) + 1 FROM audit_record) THEN
        RAISE EXCEPTION 'audit_record is append-only: the number is not the next one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_record_in_turn BEFORE INSERT ON audit_record
    FOR EACH ROW EXECUTE FUNCTION ifrit_record_in_turn();
CREATE TRIGGER audit_record_no_change BEFORE UPDATE OR DELETE ON audit_record
    FOR EACH ROW EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER audit_record_no_truncate BEFORE TRUNCATE ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER plan_content_no_change BEFORE UPDATE OR DELETE ON plan_content
    FOR EACH ROW EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER plan_content_no_truncate BEFORE TRUNCATE ON plan_content
    FOR EACH STATEMENT EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER plan_no_change BEFORE UPDATE OR DELETE ON plan
    FOR EACH ROW EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER plan_no_truncate BEFORE TRUNCATE ON plan
    FOR EACH STATEMENT EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER plan_host_no_change BEFORE UPDATE OR DELETE ON plan_host
    FOR EACH ROW EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER plan_host_no_truncate BEFORE TRUNCATE ON plan_host
    FOR EACH STATEMENT EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER approval_no_change BEFORE UPDATE OR DELETE ON approval
    FOR EACH ROW EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER approval_no_truncate BEFORE TRUNCATE ON approval
    FOR EACH STATEMENT EXECUTE FUNCTION ifrit_append_only();
