-- Conventions: see 0001.

-- kind 'jail': seen running on its parent, known as long as it runs. NULL for what is declared.
ALTER TABLE host ADD COLUMN parent_id BIGINT REFERENCES host (id);
CREATE INDEX host_parent ON host (parent_id) WHERE parent_id IS NOT NULL;

-- When a host was declared (a jail: seen).
CREATE TABLE host_declared (
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT,
    PRIMARY KEY (host_id, valid_from),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);
CREATE INDEX host_declared_valid_from ON host_declared (valid_from);
CREATE INDEX host_declared_valid_to ON host_declared (valid_to) WHERE valid_to IS NOT NULL;
INSERT INTO host_declared (client_id, host_id, valid_from, valid_to)
    SELECT client_id, id, declared_at, retired_at FROM host;

-- What else a host is made of: services, listeners, accounts and so on, one row for each state of each.
-- A border between two rows is a change.
CREATE TABLE host_item (
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    -- 'service', 'listener', 'account' and so on
    kind TEXT NOT NULL,
    -- Tells it from its siblings; the end of a long one is a hash.
    item_key TEXT NOT NULL,
    -- JSON, see item_wire.rs
    body TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT,
    PRIMARY KEY (host_id, kind, item_key, valid_from),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);
CREATE INDEX host_item_valid_from ON host_item (valid_from);
CREATE INDEX host_item_valid_to ON host_item (valid_to) WHERE valid_to IS NOT NULL;

-- Since when a kind of item is known of a host. Without a row nothing is known; with a row and no
-- items there are none. The hash, over what was last read, is all that an unchanged host costs.
CREATE TABLE host_item_state (
    client_id BIGINT NOT NULL,
    host_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    content_hash BYTEA NOT NULL,
    -- The first answer of the host that lacked this kind after the last one that had it.
    unread_since BIGINT,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT,
    PRIMARY KEY (host_id, kind, valid_from),
    FOREIGN KEY (host_id, client_id) REFERENCES host (id, client_id)
);

CREATE INDEX host_package_set_valid_from ON host_package_set (valid_from);
CREATE INDEX host_system_valid_from ON host_system (valid_from);
