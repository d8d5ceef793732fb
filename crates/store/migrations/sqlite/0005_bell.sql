-- Conventions: see 0001.

-- The bell: what was announced, so that everything is announced once. One row.
CREATE TABLE bell_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Grows with each run. A run that finds another number than it began with begins again.
    revision INTEGER NOT NULL,
    ran_at INTEGER NOT NULL,
    -- JSON, see bell/wire.rs: which feed spoke of which release; which vulnerabilities were announced as exploited.
    coverage TEXT NOT NULL,
    exploited TEXT NOT NULL
) STRICT;

-- What was announced of a package version; like the dictionary it holds nothing of a client.
CREATE TABLE bell_finding (
    package_version_id INTEGER PRIMARY KEY REFERENCES package_version (id),
    -- JSON, see bell/wire.rs
    body TEXT NOT NULL
) STRICT;

-- The sets of a host that were announced; NULL = not known then. Stays when the host is retired.
CREATE TABLE bell_host (
    host_id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL,
    package_set_id INTEGER REFERENCES package_set (id),
    software_set_id INTEGER REFERENCES package_set (id),
    -- JSON, see bell/wire.rs: what was announced besides, and could not be judged since.
    held TEXT NOT NULL,
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT;

-- Messages to people, kept until they are delivered and as a record afterwards.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    -- Goes along with the message, so that one that comes twice is recognised.
    message_id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    -- 'urgent', 'digest' or 'test'
    urgency TEXT NOT NULL,
    title TEXT NOT NULL,
    -- JSON, written and read by control. It may speak of several clients: of those that the channel is for.
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    -- Until then one process is sending it.
    leased_until INTEGER,
    last_error TEXT,
    delivered_at INTEGER,
    given_up_at INTEGER
) STRICT;
CREATE INDEX message_waiting ON message (next_attempt_at) WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX message_channel ON message (channel, id);
