-- What a daemon of schema 3 left: no projects. Frozen.
PRAGMA user_version = 3;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE audit (
  at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, process TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE processes (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE runs (process INTEGER NOT NULL, number INTEGER NOT NULL, doc TEXT NOT NULL,
  PRIMARY KEY (process, number)) WITHOUT ROWID;
INSERT INTO meta VALUES ('epoch', 1699999999), ('next_process', 5), ('readable_from', 2);
INSERT INTO processes VALUES (4, '{"definition":{"command":["sleep","9"],"working_directory":"/srv","label":"d","label_given":true,"shell":false,"restart":"never","stop_signal":15,"grace_seconds":10.0},"wanted":"up","intent":"none","intent_run":0,"last_run":1,"restarts":0,"quick_failures":0,"gave_up":false,"is_without_directory":false,"created_at":1700000000000000004}');
INSERT INTO runs VALUES (4, 1, '{"pid":12,"started_at":1,"outcome":{"exit_code":3,"signal":null,"reason":"self","ended_at":1700000000000000008}}');
