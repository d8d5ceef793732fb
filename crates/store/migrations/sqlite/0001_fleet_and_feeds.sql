-- Conventions, for every table:
-- * Times are whole microseconds since 1970-01-01T00:00:00Z, days are text `YYYY-MM-DD`, truth is 0 or 1.
-- * Ids are given out by the writer (greatest + 1; there is one writer at a time) and rows with an
--   id are never deleted, so an id never changes its meaning.
-- * `valid_from`/`valid_to` bound what was so on a host, `known_from`/`known_to` what a feed said:
--   the start belongs to the interval, the end does not, NULL = still so.
-- * Every row that says something about a client's hosts carries client_id, and a foreign key holds
--   that the host is that client's. Three groups of tables have no client, because they hold nothing
--   of one: the dictionary package_version (public names and versions; which host has them stands in
--   package_set and posting), everything from feeds (advisory*, exploited, coverage, feed_snapshot),
--   and inventory_sync (one hash over all that is declared).

CREATE TABLE client (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL
) STRICT;

-- A host that moves to another client is a new row: its history stays with the old client.
CREATE TABLE host (
    id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL REFERENCES client (id),
    name TEXT NOT NULL,
    -- 'host' for now; 'jail' and others come with what can be seen from outside of them.
    kind TEXT NOT NULL,
    -- NULL = the machine that ifrit runs on.
    address TEXT,
    declared_at INTEGER NOT NULL,
    -- NULL = declared now.
    retired_at INTEGER,
    UNIQUE (client_id, name),
    UNIQUE (id, client_id)
) STRICT;
CREATE UNIQUE INDEX host_declared_name ON host (name) WHERE retired_at IS NULL;

-- One row: what the inventory was when hosts and clients were last brought in line with it.
CREATE TABLE inventory_sync (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    content_hash BLOB NOT NULL,
    synced_at INTEGER NOT NULL
) STRICT;

-- The dictionary. content_hash is SHA-256 over the other columns: the unique key, and short
-- whatever a host calls its packages.
CREATE TABLE package_version (
    id INTEGER PRIMARY KEY,
    content_hash BLOB NOT NULL UNIQUE,
    ecosystem TEXT NOT NULL,
    release TEXT NOT NULL,
    repository TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    source TEXT NOT NULL,
    source_version TEXT NOT NULL,
    architecture TEXT NOT NULL
) STRICT;
CREATE INDEX package_version_name ON package_version (ecosystem, name);
CREATE INDEX package_version_source ON package_version (ecosystem, source);

-- content_hash is SHA-256 over the platform and the sorted packages themselves, so that an
-- unchanged host is recognised before any of its packages is looked up.
-- body: ascending package_version ids, the first as it is and then the differences, LEB128.
CREATE TABLE package_set (
    id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL REFERENCES client (id),
    content_hash BLOB NOT NULL,
    package_count INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (content_hash, client_id)
) STRICT;

CREATE TABLE host_package_set (
    client_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    package_set_id INTEGER NOT NULL REFERENCES package_set (id),
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    PRIMARY KEY (host_id, valid_from),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT;
CREATE UNIQUE INDEX host_package_set_now ON host_package_set (host_id) WHERE valid_to IS NULL;

-- The columns of os-release are NULL together, so are those of the kernel; ecosystem and release
-- are NULL where no source of advisories speaks of the operating system.
CREATE TABLE host_system (
    client_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    os_id TEXT,
    os_version TEXT,
    codename TEXT,
    pretty_name TEXT,
    ecosystem TEXT,
    release TEXT,
    kernel_name TEXT,
    kernel_running TEXT,
    kernel_installed TEXT,
    machine TEXT,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    PRIMARY KEY (host_id, valid_from),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT;
CREATE UNIQUE INDEX host_system_now ON host_system (host_id) WHERE valid_to IS NULL;

-- Every look at every host, for now without end.
CREATE TABLE collection (
    id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    -- 'complete', 'partial' or 'failed'
    outcome TEXT NOT NULL,
    problems TEXT NOT NULL,
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT;
CREATE INDEX collection_host ON collection (host_id, finished_at);

-- One row for each host, made with it.
CREATE TABLE host_state (
    host_id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL,
    -- The last look, also a failed one.
    collection_id INTEGER REFERENCES collection (id),
    -- A collection that ended before this changes no interval any more.
    settled_at INTEGER,
    -- When it last answered anything.
    answered_at INTEGER,
    -- When its packages were last read; NULL = they are not known.
    packages_at INTEGER,
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT;
CREATE INDEX host_state_packages_at ON host_state (packages_at);

-- Which hosts have a package version now; derived from host_package_set and package_set.
-- chunk = host_id / 1024; hosts = a bitmap of that chunk, bit host_id % 1024 (the lowest bit of a
-- byte first), zero bytes at its end cut off. No row for an empty one.
CREATE TABLE posting (
    package_version_id INTEGER NOT NULL,
    client_id INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    hosts BLOB NOT NULL,
    PRIMARY KEY (package_version_id, client_id, chunk)
) STRICT, WITHOUT ROWID;

CREATE TABLE host_key (
    id INTEGER PRIMARY KEY,
    client_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    -- OpenSSH's form without comment: `ssh-ed25519 AAAA...`
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    trusted_at INTEGER NOT NULL,
    trusted_by TEXT NOT NULL,
    revoked_at INTEGER,
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
) STRICT;
CREATE INDEX host_key_host ON host_key (host_id);

-- Every attempt to bring a feed up to date; counts are those of the content that was offered.
CREATE TABLE feed_snapshot (
    id INTEGER PRIMARY KEY,
    feed TEXT NOT NULL,
    synced_at INTEGER NOT NULL,
    origin TEXT NOT NULL,
    -- 'recorded', 'shrunken' or 'failed'
    outcome TEXT NOT NULL,
    advisory_count INTEGER NOT NULL,
    exploited_count INTEGER NOT NULL,
    problems TEXT NOT NULL
) STRICT;
CREATE INDEX feed_snapshot_feed ON feed_snapshot (feed, id);

-- One row for each revision of an advisory. body: JSON, see the crate's module wire.
CREATE TABLE advisory (
    id INTEGER PRIMARY KEY,
    feed TEXT NOT NULL,
    key TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    primary_id TEXT NOT NULL,
    summary TEXT NOT NULL,
    severity TEXT,
    published TEXT,
    body TEXT NOT NULL,
    known_from INTEGER NOT NULL,
    known_to INTEGER
) STRICT;
CREATE UNIQUE INDEX advisory_now ON advisory (feed, key) WHERE known_to IS NULL;

-- Every id of an advisory, the primary one too, in ASCII upper case.
CREATE TABLE advisory_alias (
    alias TEXT NOT NULL,
    advisory_id INTEGER NOT NULL REFERENCES advisory (id),
    PRIMARY KEY (alias, advisory_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE advisory_package (
    advisory_id INTEGER NOT NULL REFERENCES advisory (id),
    ecosystem TEXT NOT NULL,
    -- NULL = every release.
    release TEXT,
    name TEXT NOT NULL,
    -- 1 = name is a shell pattern.
    is_glob INTEGER NOT NULL
) STRICT;
CREATE INDEX advisory_package_name ON advisory_package (ecosystem, name);

CREATE TABLE exploited (
    id INTEGER PRIMARY KEY,
    feed TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    -- As the feed writes it, and in ASCII upper case.
    primary_id TEXT NOT NULL,
    cve TEXT NOT NULL,
    name TEXT NOT NULL,
    added TEXT NOT NULL,
    due TEXT,
    is_ransomware INTEGER NOT NULL,
    known_from INTEGER NOT NULL,
    known_to INTEGER
) STRICT;
CREATE UNIQUE INDEX exploited_now ON exploited (cve, feed) WHERE known_to IS NULL;

-- What each feed speaks of, as of its last recorded snapshot.
CREATE TABLE coverage (
    feed TEXT NOT NULL,
    ecosystem TEXT NOT NULL,
    -- NULL = every release.
    release TEXT,
    -- NULL = every repository.
    repository TEXT
) STRICT;
CREATE INDEX coverage_feed ON coverage (feed);
