-- What a daemon may leave that came later: tables, columns, members and words that this one does not know. Frozen.
PRAGMA user_version = 7;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE processes (id INTEGER PRIMARY KEY, doc TEXT NOT NULL, project INTEGER NOT NULL DEFAULT 5);
CREATE TABLE runs (process INTEGER NOT NULL, number INTEGER NOT NULL, doc TEXT NOT NULL, weight REAL DEFAULT 0.5,
  PRIMARY KEY (process, number)) WITHOUT ROWID;
CREATE TABLE audit (
  at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, process TEXT NOT NULL, detail TEXT NOT NULL, origin TEXT);
CREATE TABLE projects (file TEXT PRIMARY KEY, doc TEXT NOT NULL, weight REAL DEFAULT 0.5) WITHOUT ROWID;
INSERT INTO projects VALUES ('/srv/persistproc.toml', '{"ports":[{"process":"web","wish":"3000+","number":3001,"family":6}],"colour":"blue"}', 2);
CREATE TABLE plans (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
INSERT INTO plans VALUES (8, '{"name":"shop"}');
INSERT INTO meta VALUES ('epoch', 1699999999), ('next_process', 2), ('readable_from', 2);
INSERT INTO processes VALUES (1, '{"definition":{"label":"web","label_given":true,"command":["node","server.js"],"shell":false,"working_directory":"/srv","stop_signal":15,"grace_seconds":{"first":5,"then":10},"restart":"when_changed","started_by":"cli","readiness":{"port":3000,"within":[1,null,"x"]},"note":null},"wanted":"paused","intent":"none","intent_run":0,"last_run":2,"restarts":1,"created_at":1700000000123456789,"pins":["a","ü"]}', 8);
INSERT INTO runs VALUES (1, 1, '{"pid":10,"outcome":{"exit_code":0,"reason":"self","ended_at":2,"detail":""}}', 1);
INSERT INTO runs VALUES (1, 2, '{"pid":11,"started_at":3,"peak_memory_bytes":1048576,"outcome":{"exit_code":1,"reason":"throttled","ended_at":4,"detail":"","causes":[{"code":"load","value":3.5}]}}', 0.25);
