-- All that the history is searched by, each in the order of its pages, so that a search sorts nothing. Those
-- that find the fewest come last: of several that would do, SQLite takes the newest.
DROP INDEX events_by_namespace;
DROP INDEX events_by_project;
CREATE INDEX events_by_type ON events (type, seq);
CREATE INDEX events_by_cluster ON events (cluster, seq);
CREATE INDEX events_by_project ON events (project, seq);
CREATE INDEX events_by_namespace ON events (namespace, seq);
CREATE INDEX events_by_name ON events (name, seq);
