-- What a daemon of schema 1 left: a column for each member. Frozen.
PRAGMA user_version = 1;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE processes (
  id INTEGER PRIMARY KEY, label TEXT NOT NULL, label_given INTEGER NOT NULL, command TEXT NOT NULL, shell INTEGER NOT NULL,
  working_directory TEXT NOT NULL, stop_signal INTEGER NOT NULL, grace_seconds REAL NOT NULL, restart TEXT NOT NULL,
  started_by TEXT NOT NULL, wanted INTEGER NOT NULL, intent INTEGER NOT NULL, intent_run INTEGER NOT NULL,
  last_run INTEGER NOT NULL, restarts INTEGER NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE runs (
  process INTEGER NOT NULL, number INTEGER NOT NULL, pid INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, exit_code INTEGER,
  signal INTEGER, reason TEXT, stage TEXT, os_error INTEGER, detail TEXT, PRIMARY KEY (process, number)) WITHOUT ROWID;
CREATE TABLE audit (
  at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, process TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE dead_sessions (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT);
INSERT INTO dead_sessions (id) VALUES ('abc');
INSERT INTO meta VALUES ('epoch', 1699999999), ('next_process', 12);
-- A server that a restart is under way of; its arguments hold a line break, nothing, and bytes that are no text.
INSERT INTO processes VALUES (3, 'web', 1, CAST(X'343A6E6F6465333A610A62303A353AFF013A3778' AS TEXT), 0, '/srv/web', 2, 2.5,
  'on_failure', 'claude-code', 1, 3, 2, 2, 1, 1700000000123456789);
-- A line for the shell, under a label of its command, that was stopped.
INSERT INTO processes VALUES (4, 'make watch in /srv', 0, '18:make watch || true', 1, '/srv', 15, 10.0, 'never', 'cli', 0, 0, 0, 1, 0,
  1700000000000000001);
-- One whose program is not there, and one that never had a run.
INSERT INTO processes VALUES (9, 'gone', 1, '7:/no/way', 0, '/', 15, 0.0, 'always', 'recovered', 1, 1, 1, 1, 0, 0);
INSERT INTO processes VALUES (10, 'later', 1, '4:true', 0, '/', 15, 10.0, 'never', 'cli', 1, 1, 1, 0, 0, 5);
INSERT INTO runs VALUES (3, 1, 4711, 1700000000200000000, 1700000009000000001, NULL, 9, 'oom', NULL, NULL, '');
INSERT INTO runs VALUES (3, 2, 4712, 1700000009100000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO runs VALUES (4, 1, 99, 1700000000000000002, 1700000000000000003, 0, NULL, 'stopped', NULL, NULL, '');
INSERT INTO runs VALUES (9, 1, 0, NULL, 1700000000000000004, NULL, NULL, 'exec_failed', 'execve', 2, '');
INSERT INTO audit VALUES (1700000000123456789, 'claude-code', 'start', 'p3', 'node');
INSERT INTO audit VALUES (1700000009000000000, 'claude-code', 'restart', 'p3', '');
