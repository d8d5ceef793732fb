-- Conventions: see 0001.

-- Software outside packages, in sets like those of packages and interned in the same dictionary: its
-- ecosystems (Go, Maven, npm and so on) are never those of a distribution. No row = it is not known.
CREATE TABLE host_software_set (
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    package_set_id BIGINT NOT NULL REFERENCES package_set (id),
    valid_from BIGINT NOT NULL,
    valid_to BIGINT,
    PRIMARY KEY (host_id, valid_from),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);
CREATE UNIQUE INDEX host_software_set_now ON host_software_set (host_id) WHERE valid_to IS NULL;

-- Hosts are counted from these alone. Each holds the column of its condition, too: SQLite looks at it again.
CREATE INDEX host_census ON host (client_id, retired_at) WHERE retired_at IS NULL;
CREATE INDEX host_system_census ON host_system (client_id, ecosystem, release, os_id, os_version, valid_to)
    WHERE valid_to IS NULL;
CREATE INDEX host_state_census ON host_state (packages_at, client_id, host_id)
    WHERE packages_at IS NULL AND collection_id IS NOT NULL;

-- The services that the inventory declares now, and the hosts that run them.
CREATE TABLE service (
    id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL REFERENCES client (id),
    name TEXT NOT NULL,
    port BIGINT,
    -- An installed package; NULL where a command tells the version, or nothing is declared.
    package TEXT,
    -- JSON list: program and arguments.
    version_command TEXT,
    -- JSON list of absolute directories.
    paths TEXT NOT NULL,
    -- A person's name.
    owner TEXT,
    is_critical BIGINT NOT NULL
);
CREATE TABLE service_host (
    -- The host's client.
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    service_id BIGINT NOT NULL REFERENCES service (id),
    PRIMARY KEY (host_id, service_id),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);

-- SHA-256 over the files that the inventory was made from; NULL = it also came from elsewhere.
ALTER TABLE inventory_sync ADD COLUMN source_hash BYTEA;

-- Coverage gets a history. Of what it was before the last snapshot nothing is known.
ALTER TABLE coverage RENAME TO coverage_before;
DROP INDEX coverage_feed;
CREATE TABLE coverage (
    id BIGINT PRIMARY KEY,
    feed TEXT NOT NULL,
    ecosystem TEXT NOT NULL,
    -- NULL = every release.
    release TEXT,
    -- NULL = every repository.
    repository TEXT,
    known_from BIGINT NOT NULL,
    known_to BIGINT
);
INSERT INTO coverage (id, feed, ecosystem, release, repository, known_from)
    SELECT row_number() OVER (ORDER BY feed, ecosystem, release, repository),
        feed, ecosystem, release, repository,
        coalesce((SELECT min(synced_at) FROM feed_snapshot s
            WHERE s.feed = coverage_before.feed AND s.outcome = 'recorded'), 0)
    FROM coverage_before;
DROP TABLE coverage_before;
CREATE INDEX coverage_feed ON coverage (feed);

CREATE INDEX advisory_package_glob ON advisory_package (ecosystem) WHERE is_glob = 1;

-- Pages of hosts are walked in the order of bytes, whatever the database's own order is.
ALTER TABLE host ALTER COLUMN name TYPE TEXT COLLATE "C";
