-- What a daemon of schema 2 left: a document per process and run, why an outcome is what it is in `failure` and prose. Frozen.
PRAGMA user_version = 2;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE audit (
  at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, process TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE processes (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE runs (process INTEGER NOT NULL, number INTEGER NOT NULL, doc TEXT NOT NULL,
  PRIMARY KEY (process, number)) WITHOUT ROWID;
INSERT INTO meta VALUES ('epoch', 1699999999), ('next_process', 5), ('readable_from', 2);
INSERT INTO processes VALUES (1, '{"definition":{"command":["nosuch"],"working_directory":"/","label":"a","label_given":true,"shell":false,"restart":"never","stop_signal":15,"grace_seconds":10.0},"wanted":"down","intent":"none","intent_run":0,"last_run":1,"restarts":0,"quick_failures":0,"gave_up":false,"created_at":1700000000000000001}');
INSERT INTO processes VALUES (2, '{"definition":{"command":["sleep","9"],"working_directory":"/","label":"b","label_given":true,"shell":false,"restart":"never","stop_signal":15,"grace_seconds":10.0},"wanted":"up","intent":"none","intent_run":0,"last_run":1,"restarts":0,"quick_failures":0,"gave_up":false,"created_at":1700000000000000002}');
INSERT INTO processes VALUES (3, '{"definition":{"command":["sleep","9"],"working_directory":"/tmp","label":"c","label_given":true,"shell":false,"restart":"never","stop_signal":15,"grace_seconds":10.0},"wanted":"up","intent":"none","intent_run":0,"last_run":1,"restarts":0,"quick_failures":0,"gave_up":false,"created_at":1700000000000000003}');
INSERT INTO processes VALUES (4, '{"definition":{"command":["sleep","9"],"working_directory":"/srv","label":"d","label_given":true,"shell":false,"restart":"never","stop_signal":15,"grace_seconds":10.0},"wanted":"up","intent":"none","intent_run":0,"last_run":1,"restarts":0,"quick_failures":0,"gave_up":false,"created_at":1700000000000000004}');
INSERT INTO runs VALUES (1, 1, '{"pid":0,"started_at":null,"outcome":{"exit_code":null,"signal":null,"reason":"exec_failed","ended_at":1700000000000000005,"failure":{"stage":"execve","os_error":2},"detail":""}}');
INSERT INTO runs VALUES (2, 1, '{"pid":10,"started_at":1,"outcome":{"exit_code":null,"signal":null,"reason":"lost","ended_at":1700000000000000006,"failure":null,"detail":"the machine was restarted"},"peak":7}');
INSERT INTO runs VALUES (3, 1, '{"pid":11,"started_at":1,"outcome":{"exit_code":null,"signal":null,"reason":"lost","ended_at":1700000000000000007,"failure":null,"detail":"its run directory is damaged: state: no whole slot"}}');
INSERT INTO runs VALUES (4, 1, '{"pid":12,"started_at":1,"outcome":{"exit_code":3,"signal":null,"reason":"self","ended_at":1700000000000000008,"failure":null,"detail":""}}');
