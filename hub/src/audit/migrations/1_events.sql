-- Events as they were sent, newest last: the history, and what is still to be delivered.
CREATE TABLE events (
    -- Never used twice, so that a page of the history goes on where it ended.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The same happening has the same id: it is kept once.
    id TEXT NOT NULL UNIQUE,
    -- Milliseconds since 1970.
    time BIGINT NOT NULL,
    type TEXT NOT NULL,
    cluster TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    project TEXT NOT NULL,
    -- The CloudEvent, and its length in bytes.
    event TEXT NOT NULL,
    size BIGINT NOT NULL
);

CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_namespace ON events (cluster, namespace, seq);
CREATE INDEX events_by_project ON events (project, seq);

-- What each sink has not got yet.
CREATE TABLE outbox (
    seq BIGINT NOT NULL REFERENCES events (seq),
    sink TEXT NOT NULL,
    PRIMARY KEY (seq, sink)
);

CREATE INDEX outbox_by_sink ON outbox (sink, seq);
