-- Conventions: see 0001. Nothing here belongs to a client.

-- EPSS: the last forecast alone. It is new each day for every CVE, so revisions would be all there is.
CREATE TABLE exploit_score (
    -- In ASCII upper case.
    cve TEXT PRIMARY KEY,
    -- Both in millionths.
    probability BIGINT NOT NULL,
    percentile BIGINT NOT NULL
);

-- One row: what exploit_score holds.
CREATE TABLE exploit_score_set (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- The day of the forecast; NULL = the feed does not say.
    scored_on TEXT,
    score_count BIGINT NOT NULL
);

-- News is a window: what leaves it stays known here.
CREATE TABLE news_item (
    id BIGINT PRIMARY KEY,
    source TEXT NOT NULL,
    -- Unique within the source.
    key TEXT NOT NULL,
    title TEXT NOT NULL,
    link TEXT,
    published_at BIGINT,
    -- When it was first recorded.
    seen_at BIGINT NOT NULL,
    UNIQUE (source, key)
);
CREATE INDEX news_item_seen_at ON news_item (seen_at);

CREATE TABLE news_item_vulnerability (
    -- In ASCII upper case.
    cve TEXT NOT NULL,
    news_item_id BIGINT NOT NULL REFERENCES news_item (id),
    PRIMARY KEY (cve, news_item_id)
);

-- The documents of feeds as they were fetched: what a server calls unchanged is taken from here, and so
-- is what goes into an offline bundle.
CREATE TABLE feed_document (
    feed TEXT NOT NULL,
    -- The URL, or the path for a file.
    label TEXT NOT NULL,
    -- What the server says of this version of it (RFC 9110, 8.8).
    etag TEXT,
    last_modified TEXT,
    -- When it was fetched or last called unchanged.
    fetched_at BIGINT NOT NULL,
    -- As fetched, compressed where it is so published.
    body BYTEA NOT NULL,
    PRIMARY KEY (feed, label)
);
