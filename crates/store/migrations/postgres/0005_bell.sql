-- Conventions: see 0001.

-- The bell: what was announced, so that everything is announced once. One row.
CREATE TABLE bell_state (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Grows with each run. A run that finds another number than it began with begins again.
    revision BIGINT NOT NULL,
    ran_at BIGINT NOT NULL,
    -- JSON, see bell/wire.rs: which feed spoke of which release; which vulnerabilities were announced as exploited.
    coverage TEXT NOT NULL,
    exploited TEXT NOT NULL
);

-- What was announced of a package version; like the dictionary it holds nothing of a client.
CREATE TABLE bell_finding (
    package_version_id BIGINT PRIMARY KEY REFERENCES package_version (id),
    -- JSON, see bell/wire.rs
    body TEXT NOT NULL
);

-- The sets of a host that were announced; NULL = not known then. Stays when the host is retired.
CREATE TABLE bell_host (
    host_id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    package_set_id BIGINT REFERENCES package_set (id),
    software_set_id BIGINT REFERENCES package_set (id),
    -- JSON, see bell/wire.rs: what was announced besides, and could not be judged since.
    held TEXT NOT NULL,
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);

-- Messages to people, kept until they are delivered and as a record afterwards.
CREATE TABLE message (
    id BIGINT PRIMARY KEY,
    -- Goes along with the message, so that one that comes twice is recognised.
    message_id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    -- 'urgent', 'digest' or 'test'
    urgency TEXT NOT NULL,
    title TEXT NOT NULL,
    -- JSON, written and read by control. It may speak of several clients: of those that the channel is for.
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    -- Until then one process is sending it.
    leased_until BIGINT,
    last_error TEXT,
    delivered_at BIGINT,
    given_up_at BIGINT
);
CREATE INDEX message_waiting ON message (next_attempt_at) WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX message_channel ON message (channel, id);
