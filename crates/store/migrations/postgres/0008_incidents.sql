-- Conventions: see 0001.

-- An incident: a vulnerability, or an exercise of one, from its advisory to the clients' reports. What was
-- done in it stands in audit_record.
CREATE TABLE incident (
    -- As it is shown: 'inc-2026-0001'.
    id TEXT COLLATE "C" PRIMARY KEY,
    year BIGINT NOT NULL,
    -- Within the year, from 1.
    number BIGINT NOT NULL,
    -- 'emergency' or 'exercise'
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    -- 'opened', 'planned', 'approved', 'canaried', 'applied', 'verified', 'reported' or 'closed'
    stage TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    opened_by TEXT NOT NULL,
    closed_at BIGINT,
    -- JSON list: the vulnerability's ids.
    ids TEXT NOT NULL,
    -- JSON list of the clients it is about; NULL = all.
    scope TEXT,
    -- Which hosts were asked for; NULL = all.
    selector TEXT,
    -- JSON list: what the patch was asked for.
    words TEXT NOT NULL,
    -- The deploy that closes it; NULL = the patch.
    deploy TEXT
);
CREATE UNIQUE INDEX incident_number ON incident (year, number);

CREATE TABLE incident_host (
    incident_id TEXT COLLATE "C" NOT NULL REFERENCES incident (id),
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    -- 1 = dealt with first.
    rank BIGINT NOT NULL,
    -- JSON list of texts: why it has this rank.
    reasons TEXT NOT NULL,
    -- JSON list, see incidents/wire.rs
    findings TEXT NOT NULL,
    -- 'vulnerable', 'patched', 'verified', 'waits', 'no-fix', 'excepted', 'unknown' or 'not-affected'
    state TEXT NOT NULL,
    PRIMARY KEY (incident_id, host_id),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);

-- The clocks. A mark of the incident has neither client nor host, one of a client no host.
CREATE TABLE incident_mark (
    incident_id TEXT COLLATE "C" NOT NULL REFERENCES incident (id),
    -- 'published', 'seen', 'matched', 'triaged', 'approved', 'patched', 'verified' or 'reported'
    mark TEXT NOT NULL,
    client_id BIGINT REFERENCES client (id),
    host_id BIGINT,
    at BIGINT NOT NULL,
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);
-- The first one counts.
CREATE UNIQUE INDEX incident_mark_first
    ON incident_mark (incident_id, mark, coalesce(client_id, 0), coalesce(host_id, 0));

-- Plans and runs that belong to an incident.
CREATE TABLE incident_link (
    incident_id TEXT COLLATE "C" NOT NULL REFERENCES incident (id),
    -- 'plan' or 'run'
    kind TEXT NOT NULL,
    -- The plan's id or the run's.
    name TEXT COLLATE "C" NOT NULL,
    -- In the order of their coming.
    position BIGINT NOT NULL,
    PRIMARY KEY (incident_id, kind, name)
);

-- What was seen when it was looked whether a fix is in force.
CREATE TABLE evidence (
    id BIGINT PRIMARY KEY,
    -- NULL = taken outside of an incident.
    incident_id TEXT COLLATE "C" REFERENCES incident (id),
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    package TEXT NOT NULL,
    -- 'version', 'files', 'processes', 'services', 'kernel' or 'network'
    rung TEXT NOT NULL,
    -- 'passed', 'not applicable', 'unknown' or 'failed'
    verdict TEXT NOT NULL,
    detail TEXT NOT NULL,
    output BYTEA NOT NULL,
    -- Whether output is the beginning of a longer one.
    is_cut BIGINT NOT NULL,
    -- SHA-256 over output; the audit record has it too.
    output_hash BYTEA NOT NULL,
    taken_at BIGINT NOT NULL,
    record_number BIGINT REFERENCES audit_record (number),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);
CREATE INDEX evidence_incident ON evidence (incident_id);
CREATE INDEX evidence_host ON evidence (host_id, taken_at);
CREATE TRIGGER evidence_no_change BEFORE UPDATE OR DELETE ON evidence
    FOR EACH ROW EXECUTE FUNCTION ifrit_append_only();
CREATE TRIGGER evidence_no_truncate BEFORE TRUNCATE ON evidence
    FOR EACH STATEMENT EXECUTE FUNCTION ifrit_append_only();

-- The record of an incident: what is done to it, what names it, what is done by its plans.
CREATE INDEX audit_record_target ON audit_record (target, number) WHERE target LIKE 'inc-%';
CREATE INDEX audit_record_incident ON audit_record (client_id, number) WHERE body LIKE '%"incident":"inc-%';
CREATE INDEX audit_record_plan ON audit_record (plan_hash, number) WHERE plan_hash IS NOT NULL;

-- The exceptions that the inventory declares now, and the hosts that each is for.
CREATE TABLE exception (
    id BIGINT PRIMARY KEY,
    vulnerability TEXT NOT NULL,
    selector TEXT NOT NULL,
    -- A person's name.
    owner TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- From then on it does not count.
    until BIGINT NOT NULL
);
CREATE TABLE exception_host (
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    exception_id BIGINT NOT NULL REFERENCES exception (id),
    PRIMARY KEY (host_id, exception_id),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);
