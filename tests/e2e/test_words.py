"""What people type who come from elsewhere, mistype or guess: each with its line and its status."""
import os
import re
import shlex
import signal
import socket
import subprocess

import harness

# What is typed, the exit status, what the line on stderr holds. {p} is a running process labelled "api".
REFUSED = [
    # Near a subcommand, and no program.
    ("lsit", 2, 'no subcommand and no program is "lsit"; did you mean persistproc list?'),
    ("stauts", 2, "did you mean persistproc status?"),
    ("restar api", 2, "did you mean persistproc restart?"),
    ("sotp", 2, "did you mean persistproc stop?"),
    ("doctro", 2, "did you mean persistproc doctor?"),
    ("log api", 2, "did you mean persistproc logs?"),
    ("nosuchprogramatall", 127, "no such program"),
    # Verbs of other tools.
    ("kill api", 2, "persistproc stop --force api, or persistproc signal KILL api; to run a program of that name: "
                    "persistproc run kill api"),
    ("kill -9 api", 2, "persistproc run kill -9 api"),
    *((f"kill {how} api", 2, f"is not a subcommand: persistproc signal {name} api; to run a program of that name: "
                             f"persistproc run kill {how} api") for how, name in (
        ("-s HUP", "HUP"), ("-HUP", "HUP"), ("-SIGHUP", "HUP"), ("-1", "HUP"), ("-sHUP", "HUP"), ("-n 1", "HUP"),
        ("--signal HUP", "HUP"), ("--signal=SIGHUP", "HUP"), ("--signal 1", "HUP"), ("-s usr1", "USR1"))),
    *((f"kill {how} api p1", 2, "persistproc signal KILL api p1, or persistproc stop --force api p1;") for how in (
        "-9", "-KILL", "-s 9", "--signal=KILL")),
    ("kill api -s HUP", 2, "persistproc signal HUP api;"),
    ("kill", 2, "persistproc shutdown the daemon"),
    # Never left to a guess.
    ("kill 4000000", 2, 'persistproc stop --force TARGET, or persistproc signal KILL TARGET; no process is "4000000", persistproc list -a'),
    ("describe nothing", 2, 'persistproc status TARGET; no process is "nothing"'),
    ("kill api p1", 2, "persistproc stop --force api p1, or persistproc signal KILL api p1;"),
    ("view api p1", 2, "persistproc output api;"),
    ("pkill -HUP api", 2, "persistproc signal HUP api"),
    ("pkill nothing", 2, 'persistproc stop --force TARGET, or persistproc signal KILL TARGET; no process is "nothing"'),
    ("killall api", 2, "persistproc stop --force api"),
    # A slip of a label.
    ("kill apii", 2, 'persistproc stop --force TARGET, or persistproc signal KILL TARGET; no process is "apii" '
                     '(did you mean "api"?), persistproc list -a shows all;'),
    ("tail -f appi", 2, 'persistproc output -f TARGET; no process is "appi" (did you mean "api"?),'),
    ("env aip", 2, 'persistproc status TARGET; no process is "aip" (did you mean "api"?),'),
    ("apii", 2, 'no process and no program is "apii"; did you mean "api" (p1, running)?'),
    ("reset api", 2, "persistproc restart api begins it anew, persistproc flush api empties its log"),
    ("watch api", 2, "persistproc list --watch"),
    ("view api", 2, "persistproc output api"),
    ("cp api", 2, "persistproc output api > FILE"),
    ("reset-failed", 2, "persistproc prune forgets what has ended"),
    ("try-restart api", 2, "persistproc restart api"),
    ("reread", 2, "persistproc up reads the project's file again"),
    ("sendSignal SIGHUP api", 2, "persistproc signal SIGNAL api"),
    ("process list", 2, ": persistproc list;"),
    ("logs --color api", 2, "escape sequences are shown with --raw alone"),
    ("delete api", 2, "persistproc rm api"),
    ("del api", 2, "persistproc rm api"),
    ("remove api", 2, "persistproc rm api (-f: also while it runs)"),
    ("describe api", 2, "persistproc status api"),
    ("show api", 2, "persistproc status api"),
    ("info api", 2, "persistproc status api"),
    ("inspect api", 2, "persistproc status --json api"),
    ("pid api", 2, "persistproc status api"),
    ("tree api", 2, "persistproc status api"),
    ("env api", 2, "persistproc status api"),
    ("tail -f api", 2, "persistproc output -f api"),
    ("cat api", 2, "persistproc output api"),
    ("monit", 2, "persistproc list"),
    ("stats", 2, "persistproc list"),
    ("stats api", 2, "persistproc list --watch api;"),
    ("jlist api", 2, "persistproc status --json api"),
    ("resurrect api", 2, "persistproc start api"),
    ("container api", 2, "persistproc status api"),
    ("container ls", 2, '"container" is not a subcommand: persistproc ls; to run a program of that name: persistproc run container ls'),
    ("save", 2, "nothing need be saved"),
    ("resurrect", 2, "the next daemon has all processes"),
    ("follow api", 2, "persistproc output -f api"),
    ("maintail api", 2, "persistproc output -f api"),
    ("bg api", 2, "in the background already: persistproc status api"),
    ("mask api", 2, "persistproc stop api"),
    ("quit", 2, "persistproc shutdown the daemon"),
    ("exit api", 2, "persistproc stop api"),
    ("avail", 2, "persistproc list shows all processes"),
    ("add api", 2, "persistproc start api"),
    ("create", 2, "persistproc start --label NAME CMD"),
    ("upgrade", 2, "persistproc serve --detach --replace"),
    ("help lsit", 2, 'no subcommand "lsit"; did you mean list? persistproc --help'),
    ("help zebra", 2, 'no subcommand "zebra"; persistproc --help'),
    ("start -d app", 2, "unknown flag -d: start returns once the program runs"),
    ("startup", 2, "systemctl --user enable"),
    ("reload api", 2, "persistproc restart api, or persistproc signal HUP api"),
    ("scale api", 2, "persistproc start --label"),
    ("pause api", 2, "persistproc signal STOP api"),
    ("update api", 2, "persistproc restart api"),
    ("clear", 2, "persistproc flush TARGET"),
    # A process.
    ("api", 2, '"api" is p1, running: persistproc status api'),
    ("run api", 2, '"api" is p1, running'),
    ("api --port 3", 2, '"api" is p1, running'),
    ("p1", 2, '"p1" is p1, running'),
    ("p999", 125, 'no process and no program is "p999"; persistproc list -a'),
    ("start p999", 125, 'no process and no program is "p999"'),
    ("run 4000000", 125, 'no process and no program is "4000000"'),
    ("api -e A=secret", 2, "or persistproc restart api -e A=…"),
    ("start api -e A=secret", 2, '"api" names a process that exists (p1): persistproc restart api '
                                 "starts it again as it is, persistproc restart api -e A=… with that"),
    ("start -e A=secret api", 2, "persistproc restart api --env … with that; to run a program"),
    ("start --label x api", 2, "--label is for a new one"),
    ("start api --label x", 2, "persistproc restart api starts it again as it is, persistproc rename api LABEL"),
    ("start --restart always api", 2, "persistproc restart api starts it again as it is, with --restart: persistproc start "
                                      "--restart always --fresh --label api -- /"),
    ("run --restart always api", 2, "; with --restart: persistproc run --restart always --fresh --label api -- /"),
    ("restart --restart always api", 2, "a restart keeps what a process is; persistproc start --fresh --label LABEL FLAGS -- CMD changes it"),
    ("help kill", 2, '"kill" is no subcommand: persistproc stop --force TARGET, or persistproc signal KILL TARGET'),
    ("help top", 2, '"top" is no subcommand: persistproc list --watch TARGET shows CPU and memory'),
    ("rename api", 2, "rename: to which label? persistproc rename api LABEL"),
    ("status --watch api", 2, "persistproc list --watch TARGET"),
    ("watch api", 2, "persistproc list --watch api, or persistproc output -f api"),
    ("send-keys -t api x Enter", 2, '"send-keys" is not a subcommand: programs get no input yet; persistproc signal SIGNAL api'),
    ("capture-pane -t api", 2, "persistproc output api"),
    ("start api --restart never", 2, "persistproc restart api starts it again as it is; --restart is for a new one"),
    ("start api nothing", 2, 'persistproc restart api starts it again as it is; no process is "nothing"'),
    ("start api p1 --restart=never", 2, "these are processes that exist: persistproc restart api p1 starts all of them "
                                        "again; --restart is for a new one"),
    ("start api p1 --env=A=secret", 2, "persistproc restart api p1 --env=A=… starts all of them again with that"),
    # Own flags behind what cannot be found.
    ("start ./folder --name x", 126, "./folder: is a directory; --name stands behind the command and is passed on to it; "
                                     "ours stand before it: persistproc start --name x -- ./folder"),
    # A label that runs another command, and both of two faults.
    ("run --fresh --label api sleep 1", 125, 'started by you); --fresh replaces a process with the same command only; "api-2" is free, or stop p1 first, '
                                             "and it takes the new command"),
    ("run --label api sleep 1 --on-exit stop", 125, '"api-2" is free, or stop p1 first, and it takes the new command; '
                                                    "--on-exit stands behind the command"),
    ("start -C /nowhere sleep 1 --label x", 2, "--label stands behind the command and is passed on to it; ours stand before "
                                               "it: persistproc start -C /nowhere --label x -- sleep 1"),
    ("start api --settle 0 1", 2, '"api" names a process that exists'),
    ("start api --settle x", 2, 'start: --settle: "x" is not a duration'),
    ("start nosuchprogram --name x", 127, "--name stands behind the command and is passed on to it; ours stand before "
                                          "it: persistproc start --name x -- nosuchprogram"),
    ("-q start -C / nosuchprogram a --env A=secret --settle 3 b", 127,
     ": persistproc start -q -C / --env A=… --settle 3 -- nosuchprogram a b"),
    ("nosuchprogram -e A=secret", 127, ": persistproc run -e A=… -- nosuchprogram"),
    ("start script.py --env A=secret", 127, "; try: persistproc start --env A=… -- python3 script.py"),
    # What a variable and a label may be called.
    ("start -e 1A=secret true", 2, '--env: give KEY=VALUE; KEY is letters, digits, "_", "." and "-", the first a letter'),
    ("restart api -e A%=secret", 2, "--env: give KEY=VALUE; KEY is letters"),
    ("start -e =secret true", 2, "--env: give KEY=VALUE"),
    # Subcommands to come.
    *((word, 2, f'"{word}" is not available in this version') for word in (
        "send", "top", "web", "events", "notify", "attach",
        "exec", "history")),
    ("top", 2, "to run a program of that name: persistproc run top"),
    ("attach api", 2, "persistproc output -f api follows its output; to run a program of that name: persistproc run attach api"),
    ("history api", 2, "persistproc audit api says who did what"),
    *((word, 2, words) for word, words in (
        ("send x", "persistproc signal SIGNAL TARGET"), ("web", "persistproc list --watch"),
        ("notify", "persistproc wait TARGET --exit"))),
    ("up -d", 2, "up: unknown flag -d: up returns once all are ready; leave it out"),
    ("up --build", 2, "up builds nothing"),
    ("down -v", 2, "down stops processes, and removes nothing"),
    ("compose up", 2, ": persistproc up;"),
    ("container rm api", 2, ": persistproc rm api;"),
    ("container rm -f --volumes api", 2, ": persistproc rm api;"),
    ("container inspect api", 2, ": persistproc status --json api;"),
    ("compose up -d", 2, ": persistproc up;"),
    ("compose up -d web", 2, ": persistproc up web;"),
    ("container logs --details --since 5m api", 2, ": persistproc logs api;"),
    ("container logs --colour never api", 2, ": persistproc logs api;"),
    ("compose logs -f --tail 5 api", 2, ": persistproc logs -f --tail 5 api;"),
    ("nerdctl compose run api sh", 2, ": persistproc run CMD runs a program;"),
    ("service api restart", 2, ": persistproc restart api; to run a program of that name: persistproc run service api restart"),
    ("services status api", 2, ": persistproc status api;"),
    ("pm2 delete api", 2, ": persistproc rm api (-f: also while it runs);"),
    ("pm2 monit", 2, ": persistproc list shows all processes;"),
    ("nerdctl logs -f api", 2, ": persistproc logs -f api;"),
    # Also where that tool is there.
    ("systemctl --user restart api", 2, ": persistproc restart api; to run a program of that name: persistproc run systemctl --user restart api"),
    ("supervisorctl tail -f api", 2, ": persistproc output -f api;"),
    ("compose", 2, "persistproc up brings up what persistproc.toml"),
    ("top api", 2, "persistproc list --watch api shows CPU and memory"),
    ("events api", 2, "persistproc audit -f api follows who does what"),
    # Flags of other tools.
    # A port that is not the daemon's.
    ("run --port 1 sleep 3", 125, ", not 1; a port of the program stands behind the command: sleep 3 --port 1"),
    ("start --port 1 sleep 3", 125, ", not 1; a port of the program stands behind the command: sleep 3 --port 1"),
    ("run --watch app", 2, "unknown flag --watch: the key watch of a persistproc.toml"),
    ("start -i 4 app", 2, "-i keeps its input open; one process is one program"),
    ("run --network host app", 2, "unknown flag --network: programs share this machine's network"),
    ("ls -la", 2, "ls: unknown flag -l in -la: -o wide shows commands and who started them"),
    ("rm -rf api", 2, "rm: unknown flag -r in -rf: a process has nothing below it; -f removes also one that runs"),
    ("wait --all", 2, "wait: unknown flag --all: name the processes"),
    ("list --state running --state exited", 2,
     "list: --state running and --state exited are one flag with two values: give it once"),
    ("start --label x --label y true", 2, "start: --label x and --label y are one flag with two values: give it once"),
    ("start --max-restarts 3 app", 2, "--restart on-failure:N"),
    ("run --rm app", 2, "persistproc rm or prune forgets it"),
    ("start -f process-compose.yaml", 2, "persistproc up --file FILE"),
    ("start --cron 1 app", 2, "cron"),
    ("start ecosystem.config.js", 2, "ecosystem.config.js is not read: write its programs into a persistproc.toml"),
    ("start ./Procfile", 2, "Procfile: persistproc up --file ./Procfile brings up what it defines"),
    ("start all", 2, "name those that are to be started; persistproc restart all"),
    ("rm api", 125, "stop it first: persistproc stop p1; both at once: persistproc rm -f api"),
    ("wait api --ready --exit", 2, "one of --ready, --pattern, --port, --quiet and --exit"),
    ("start --ready soon app", 2, '--ready: "soon" is no check: PORT, /path'),
    ("list -v", 2, "unknown flag -v: of serve and mcp alone; -V is the version"),
    # Of two that exclude each other none is left out in silence.
    ("run --on-exit stop --detach true", 2, "--on-exit is for a run that streams its output, and --detach returns once it runs: leave out one"),
    ("run -d --raw true", 2, "--raw is for a run that streams"),
    ("run --name x --label y true", 2, "--name x and --label y are one flag with two values: give it once"),
    ("run -e A=1 --label x --name y true", 2, "--label x and --name y are one flag"),
    ("stop -t 3 --grace 5 api", 2, "stop: -t 3 and --grace 5 are one flag"),
    ("logs -n 0 -2 api", 2, "logs: --lines 0 and --lines 2 are one flag with two values: give it once"),
    ("logs --tail 5 -n 6 api", 2, "logs: --tail 5 and --lines 6 are one flag"),
    ("logs --tail 0 -n 0 api", 2, "logs: --tail 0 and --lines 0 are one flag"),
    ("logs -n 0 --tail 0 api", 2, "logs: --lines 0 and --tail 0 are one flag"),
    ("logs -i api", 2, "go with --grep or --exclude"),
    ("logs -o file api", 2, "redirect it"),
    # Suggestions only when near.
    ("list --cron", 2, "unknown flag --cron"),
    ("logs --folow api", 2, "did you mean --follow?"),
    ("stop --forse api", 2, "did you mean --force?"),
    ("stop ap", 125, 'nearest: p1 "api"'),
    ("stop apo", 125, 'nearest: p1 "api"'),
    ("stop 1", 125, 'no process is "1"; list the processes to see which there are'),
    ("list -C /nope", 2, "-C: /nope: no such directory"),
    ("stop nope", 125, 'no process is "nope"; list the processes to see which there are'),
    ("stop api all", 2, '"all" stands for every process'),
    ("restart all nope", 2, '"all" stands for every process'),
    ("logs api all", 2, '"all" stands for every process'),
    ("logs --run 1", 2, "--cursor and --run are of one process"),
    ("wait all", 2, "name the processes"),
    ("start --label -x true", 2, "would be taken for a flag"),
    ("run --restart sometimes true", 2, "never, on-failure[:N], always"),
    ("run --restart on-failure:0 true", 2, "from 1 to 1000000"),
    ("run --env-file /nowhere true", 2, "/nowhere"),
    ("list --port 1", 125, "the daemon of this data directory serves"),
    ("--port 1 stop api", 125, "the daemon of this data directory serves"),
    ("run --port 1 true", 125, "not 1"),
    ("serve --total-log-limit 0 --detach", 2, "--total-log-limit"),
    ("mcp --port 1", 125, "the daemon of this data directory serves"),
    ("cd /tmp", 2, "--shell"),
    ("FOO=1 env", 2, "persistproc run -e FOO=… env"),
    ("run FOO=secret BAR=2 env X", 2, "persistproc run -e FOO=… -e BAR=… env X"),
    ("start --name x FOO=secret env", 2, "persistproc start --name x -e FOO=… env"),
    ("export FOO=secret", 2, "a variable stands before the command as a flag: persistproc run -e FOO=… CMD…"),
    ("export", 2, "a variable: -e NAME=VALUE"),
    ("env FOO=secret api", 2, "persistproc run env FOO=… api"),
    ("kill --env=FOO=secret -eBAR=secret api", 2, "persistproc run kill --env=FOO=… -eBAR=… api"),
    ("restart api FOO=secret BAR=secret", 2, "variables are set by flags: persistproc restart -e FOO=… -e BAR=… api"),
    # What stands behind "=" is repeated nowhere.
    ("restart FOO=secret", 125, 'no process is "FOO=…"'),
    ("output FOO=secret", 125, 'no process is "FOO=…"'),
    ("status FOO=secret", 4, 'no process is "FOO=…"'),
    ("wait FOO=secret", 125, 'no process is "FOO=…"'),
    ("wait api ready", 125, "as what to wait for: persistproc wait api --ready"),
    ("wait api 3000", 125, "as what to wait for: persistproc wait api --port 3000"),
    ("wait api FOO=secret", 125, "as what to wait for: persistproc wait api --pattern 'FOO=…'"),
    ("logs api FOO=secret", 125, 'no process is "FOO=…"'),
    ("logs api 50", 125, "so many lines: -n 50"),
    ("logs api error", 125, "lines that match it: --grep error"),
    ("logs --previous api", 2, "unknown flag --previous: --run N shows the run N"),
    ("list --running", 2, "unknown flag --running: --state STATE chooses by it"),
    ("restart --wait api", 2, "unknown flag --wait: persistproc wait TARGET --ready"),
    ("audit FOO=secret", 125, 'no process is "FOO=…"'),
    ("signal HUP FOO=secret", 125, 'no process is "FOO=…"'),
    ("signal FOO=secret api", 2, 'signal: "FOO=…" cannot be sent'),
    ("rename api x FOO=secret", 2, 'rename: unexpected "FOO=…"'),
    ("help FOO=secret", 2, 'no subcommand "FOO=…"'),
    ("setup FOO=secret", 2, 'unknown client "FOO=…"'),
    ("list --state FOO=secret", 2, '"FOO=…" is not one of'),
    ("list -eFOO=secret", 2, "unknown flag -eFOO=…"),
    ("stop --grace FOO=secret api", 2, '"FOO=…" is not a duration'),
    ("output --since FOO=secret api", 2, '"FOO=…"'),
    ("run --restart FOO=secret true", 2, '"FOO=…" is not one of'),
    ("run -C FOO=secret true", 2, "working directory FOO=…:"),
    ("run -- FOO=secret", 127, "FOO=…: no such program"),
    ("start --env-file FOO=secret true", 2, "--env-file FOO=…: no such file; a variable: -e NAME=VALUE"),
    ("start api --env-file FOO=secret", 2, "persistproc restart api --env-file FOO=… with that"),
    # Words and flags of tmux, docker and systemctl.
    ("kill-session -t api", 2, "persistproc stop api"),
    ("attach-session -t api", 2, "persistproc output -f api"),
    ("kill-server", 2, "persistproc shutdown"),
    ("daemon start", 2, "persistproc serve --detach"),
    ("system prune", 2, "persistproc prune"),
    ("jlist", 2, "persistproc list --json"),
    ("ps --filter status=running", 2, "--state STATE"),
    ("stop api --signal INT", 2, "persistproc signal SIGNAL TARGET"),
    ("prune -f", 2, "nothing ever asks"),
    ("wait api --for exit", 2, "one of --ready, --pattern, --port, --quiet and --exit"),
    ("list running", 125, 'no process is "running"; those in that state: --state running'),
    ("run ./nothing.sh", 127, "./nothing.sh: no such file"),
    ("LIST", 2, "did you mean persistproc list?"),
    ("Stop api", 2, "did you mean persistproc stop?"),
    # A label alone is no command.
    ("start --label api", 2, "a process that exists is named without --label: persistproc start api"),
    ("run --time app", 2, "persistproc output -t TARGET shows the time of each line"),
]

# One word, as a shell passes it on when it was quoted.
LINES = [
    (["status", ""], 2, "status: an empty word names no process"),
    (["stop", "api", ""], 2, "stop: an empty word names no process"),
    (["wait", "api", "up on"], 125, "as what to wait for: persistproc wait api --pattern 'up on'"),
    (["wait", "api", "typo", "--exit"], 125, 'no process is "typo"'),
    (["wait", "typo", "api", "--exit"], 125, 'no process is "typo"'),
    (["run", "echo hi && sleep 1"], 2, '"&&" needs a shell: persistproc run --shell \'echo hi && sleep 1\''),
    (["echo hi | cat"], 2, "persistproc run --shell 'echo hi | cat'"),
    (["start", "echo $HOME"], 2, "persistproc start --shell 'echo $HOME'"),
    (["run", "cd /tmp"], 2, "-C DIR"),
    (["run", "FOO=secret env"], 2, "persistproc run -e FOO=… env"),
    (["run", "FOO=secret a && b"], 2, "persistproc run -e FOO=… CMD…"),
    (["run", "--name", "x", "a && FOO=secret b"], 2, "persistproc run --name x --shell 'COMMAND LINE'"),
    (["run", "export FOO=secret"], 2, "persistproc run --shell 'COMMAND LINE'"),
    # As pm2 takes them, with flags behind.
    (["start", "sleep 10", "--name", "x"], 2, 'no program is "sleep 10"; did you mean persistproc start --name x -- sleep 10?'),
    (["sleep 10", "--name=x", "-C", "/"], 2, "did you mean persistproc run --name=x -C / -- sleep 10?"),
    (["start", "-q", "sleep 10", "-e", "A=secret", "20"], 2, "did you mean persistproc start -q -e A=… -- sleep 10 20?"),
    (["start", "sleep 10", "--", "--name", "x"], 2, "did you mean persistproc start -- sleep 10 -- --name x?"),
    (["start", "a | b", "--name", "x"], 2, '"|" needs a shell: persistproc start --name x --shell \'a | b\''),
    (["start", "FOO=secret env", "--name", "x"], 2, "persistproc start --name x -e FOO=… env"),
    # A line of ours.
    (["list -a"], 2, '"list -a" is one word, and no program; without the quotes: persistproc list -a'),
    (["stop api"], 2, "without the quotes: persistproc stop api"),
    (["-q", " list"], 2, "without the quotes: persistproc list"),
    (["api x"], 2, '"api" is p1, running: persistproc status api'),
    (["start", "api x"], 2, '"api" names a process that exists (p1)'),
    (["start", "nosuchprogram a", "b"], 127, "nosuchprogram a: no such program"),
    (["start", "-e", "A B=secret", "true"], 2, "--env: give KEY=VALUE; KEY is letters"),
    *((["start", "--label", label, "true"], 2, "label: ") for label in (" web", "web ", "\u3000web", " ", "web\u00a0")),
    (["rename", "api", "web "], 2, 'label: "web " begins or ends with a blank'),
]

# What is typed and works; what stdout holds.
ACCEPTED = [
    ("logs --tail 2 api", "2\n3\n"),
    ("logs --tail=1 api", "3\n"),
    ("logs -1 api", "3\n"),
    ("logs -n 2 --tail 2 api", "2\n3\n"),
    ("logs --tail all api", "1\n2\n3\n"),
    ("logs -n 0 api", "1\n2\n3\n"),
    ("logs --lines 1 api", "3\n"),
    ("logs --nostream -1 api", "3\n"),
    ("logs --out -1 api", "3\n"),
    ("logs --err -1 api", ""),
    ("logs --no-color -1 api", "3\n"),
    ("logs --grep 2 -C 1 api", "1\n2\n3\n"),
    ("list -q --cwd /", ""),
    ("signal -WINCH api", None),
    ("signal -s WINCH api", None),
    ("signal -28 api", None),
    ("status api p1", "api"),
    ("-V", "persistproc"),
    ("--version", "persistproc"),
    ("start api --settle 0.1 --no-color", "p1 (api) is running, PID "),
    ("start api --fresh --settle=0.1", "p1 (api) is running, PID "),
    ("start p1 --json -q", '"created":false'),
    ("start p1 api --settle 0", "p1 (api) is running, PID "),
    ("start --name b --cwd / -- sleep 1000", "b"),
    ("run -d --name c sleep 1000", "c"),
    ("start --restart no --name d sleep 1000", "d"),
    ("start --restart unless-stopped --name e sleep 1000", "e"),
    ("rename e f", "f"),
    ("restart --time 3 b c", "b"),
    ("stop -t 3 b", "b"),
    ("stop --time 1s c", "c"),
    ("stop --grace 1s d", "d"),
    ("rm -f f", "is forgotten"),
]


class Words(harness.TestCase):
    def setUp(self):
        super().setUp()
        program = self.place.root / "bin" / "printer"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\necho 1\necho 2\necho 3\nexec sleep 1000\n")
        program.chmod(0o700)
        (self.place.work / "script.py").write_text("")
        (self.place.work / "folder").mkdir()
        self.start("api", [str(program)])
        self.ok("wait", "api", "--pattern", "3")

    def test_what_is_refused_says_what_to_type(self):
        for typed, code, words in REFUSED:
            with self.subTest(typed):
                finished = self.cli(*typed.split())
                self.assertEqual((finished.code, finished.out), (code, b""), finished)
                self.assertOneLine(finished.err, words)
                self.assertNotIn(b"secret", finished.err)
        for arguments, code, words in LINES:
            with self.subTest(arguments):
                finished = self.cli(*arguments)
                self.assertEqual((finished.code, finished.out), (code, b""), finished)
                self.assertOneLine(finished.err, words)
                self.assertNotIn(b"secret", finished.err)
        for argument in ({"environment": {"1A": "x"}}, {"label": " web"}):
            answer = self.mcp().call("start_process", command=["true"], working_directory="/", **argument)
            self.assertTrue(answer.is_error)
            self.assertIn("is not a variable's name" if "environment" in argument else "with a blank", answer.text)
        # None of it is a process, and none used up an id.
        self.assertEqual([view["id"] for view in self.views()], ["p1"])
        self.assertEqual(self.start("next", ["sleep", "1000"])["id"], "p2")

    def test_what_people_know_works(self):
        for typed, words in ACCEPTED:
            with self.subTest(typed):
                finished = self.ok(*typed.split())
                if words is not None:
                    self.assertIn(words, finished.out.decode())
                if typed.startswith("logs"):
                    self.assertEqual(finished.out.decode(), words)
        self.assertEqual(self.view("b")["working_directory"], "/")

    def test_what_is_advised_gives_a_process_that_exists_another_policy(self):
        self.ok("start", "--label", "line", "--shell", "sleep 1000 && true")
        for label in ("api", "line"):
            before = self.view(label)
            refused = self.cli("start", "--restart", "always", label).err.decode()
            advice = refused.split("with --restart: persistproc ")[1].split("; to run a program")[0]
            self.ok(*shlex.split(advice))
            after = self.ok("status", label, "--json").json()
            self.assertEqual((after["id"], after["command"], after["restart"]), (before["id"], before["command"], "always"))

    def test_a_command_line_in_one_word(self):
        self.assertEqual(self.ok("run", "echo 'a  b' c").out, b"a  b c\n")
        self.assertEqual(self.ok("echo one word").out, b"one word\n")
        self.assertEqual(self.ok("start", "--json", "sleep 1001").json()["command"], ["sleep", "1001"])
        odd = self.place.work / "odd name"
        odd.write_text("#!/bin/sh\necho odd\n")
        odd.chmod(0o700)
        self.assertEqual(self.ok("run", "./odd name").out, b"odd\n")
        self.assertEqual(self.cli("run", "--", "echo a").code, 127)
        # A label may look like one.
        self.start("R&D server", ["sleep", "1000"])
        self.assertIn(b"R&D server", self.ok("start", "R&D server").out)
        self.assertOneLine(self.cli("R&D server").err, '"R&D server" is ')
        self.assertOneLine(self.cli("start", "R&D server", "-e", "A=1").err, "persistproc restart 'R&D server' -e A=… with that")

    def test_a_program_of_that_name_runs(self):
        self.assertEqual(self.ok("run", "kill", "-l", "9").out.strip(), b"KILL")
        self.assertIn(b"PATH=", self.ok("env").out)
        self.assertEqual(self.ok("--", "cat", "/dev/null").out, b"")

    def test_a_label_that_is_a_program_too_is_left_to_no_guess(self):
        self.start("echo", ["sleep", "1000"])
        refused = self.cli("echo")
        self.assertEqual((refused.code, refused.out), (2, b""), refused)
        self.assertOneLine(refused.err, '"echo" is p2, running: persistproc status echo', "persistproc run echo")
        # With words of its own it can be no process; nor where it is said which is meant.
        for words in (("echo", "x"), ("run", "echo"), ("--", "echo"), ("--label", "other", "echo")):
            self.assertEqual(self.cli(*words).code, 0, words)
        self.start("true", ["true"])
        self.assertEqual(self.cli("true").code, 0)

    def test_a_port_before_the_subcommand_is_the_daemons(self):
        refused = self.cli("--port", "1", "start", "sleep", "3")
        self.assertEqual(refused.code, 125)
        self.assertNotIn(b"a port of the program", refused.err)

    def test_all_is_said_twice(self):
        self.ok("stop", "all", "--all")
        self.assertEqual(self.view("api")["state"], "stopped")

    def test_every_restart_says_what_it_replaced(self):
        pid = self.view("api")["pid"]
        self.assertIn(f" (was {pid})".encode(), self.ok("restart", "all", "-e", "A=1").out)

    def test_whose_line_matched(self):
        self.start("other", ["sh", "-c", "echo 3; exec sleep 1000"])
        matched = self.ok("wait", "api", "other", "--pattern", "3").out.decode().splitlines()
        self.assertEqual(sorted(matched), ["p1 (api): 3", "p2 (other): 3"])

    def test_an_own_flag_behind_the_command_is_its_own_and_hinted_at(self):
        finished = self.ok("run", "echo", "--on-exit", "stop")
        self.assertEqual(finished.out, b"--on-exit stop\n")
        self.assertIn(b"--on-exit stands behind the command and is passed on to it", finished.err)
        for quiet in (["run", "echo", "--port", "3", "-v"], ["run", "--", "echo", "--label", "x"], ["-q", "run", "echo", "--fresh"],
                      ["run", "echo", "--color", "-C", "/", "-e", "A=1"]):
            self.assertNotIn(b"is passed on", self.ok(*quiet).err, quiet)
        # pm2 takes them there.
        self.assertIn(b"--name stands behind the command", self.ok("start", "echo", "1", "--name", "x").err)

    def test_an_own_flag_behind_a_command_that_fails_is_told_of(self):
        hint = "--shell stands behind the command and is passed on to it; ours stand before it: persistproc "
        failed = self.cli("run", "--label", "f", "sh", "-c", "exit 3", "--shell", "--env", "A=secret")
        self.assertEqual(failed.code, 3)
        self.assertIn(f"{hint}run --label f --shell --env A=… -- sh -c 'exit 3'\n", failed.err.decode())
        failed = self.cli("start", "--settle", "5", "sh", "-c", "exit 3", "--shell")
        self.assertEqual(failed.code, 1)
        self.assertIn(f"{hint}start --settle 5 --shell -- sh -c 'exit 3'\n", failed.err.decode())
        for quiet in (["run", "sh", "-c", "exit 3", "-C", "/", "-e", "1 + 1"], ["run", "--", "sh", "-c", "exit 3", "--name", "x"],
                      ["run", "sh", "-c", "exit 3", "--", "--name", "x"]):
            self.assertNotIn(b"stands behind", self.cli(*quiet).err, quiet)

    def test_a_process_that_is_named_twice_is_one(self):
        self.assertRegex(self.ok("restart", "api", "p1", "api").out.decode(), r"^p1 \(api\) is running, PID \d+ \(was \d+\)\n$")
        self.assertEqual(self.view("api")["restarts"], 1)
        self.assertEqual(self.ok("status", "api", "p1").out.count(b"\nlabel "), 1)
        self.assertEqual(len(self.ok("status", "--json", "api", "p1").json()["processes"]), 1)
        missing = self.cli("stop", "nosuch", "nosuch", "api", "p1")
        self.assertEqual((missing.code, missing.out.count(b"\n"), missing.err.count(b"\n")), (125, 1, 1), missing)
        waited = self.cli("wait", "api", "p1")
        self.assertEqual((waited.code, waited.err.count(b"\n")), (143, 1), waited)

    def test_quiet(self):
        for typed in ("start --label q sleep 1000", "restart q", "signal WINCH q", "rename q r", "flush r", "stop r", "rm r"):
            with self.subTest(typed):
                finished = self.ok(*typed.split(), "-q") if not typed.startswith("start") else self.ok("-q", *typed.split())
                self.assertEqual((finished.out, finished.err), (b"", b""))
        self.assertIn("id", self.ok("status", "--json", "-q", "api").json())

    def test_all_says_why_it_is_none(self):
        self.assertOneLine(self.ok("rm", "all").err, "1 process runs and is kept; persistproc rm -f all stops and forgets it")
        self.ok("stop", "all")
        self.assertOneLine(self.ok("stop", "all").err, "no process is in a state for that; persistproc list shows all")
        self.ok("rm", "all")
        self.assertOneLine(self.ok("stop", "all").err, "there are no processes")

    def test_a_label_that_is_a_subcommand_to_come(self):
        self.start("web", ["sleep", "1000"])
        for words in (["web"], ["web", "status"]):
            refused = self.cli(*words)
            self.assertEqual(refused.code, 2)
            self.assertOneLine(refused.err, '"web" is p', "persistproc status web", "is not available in this version")

    def test_the_directory_of_a_command_is_no_hint(self):
        folder = self.place.work / "webs"
        folder.mkdir()
        self.ok("start", "-C", str(folder), "sleep", "1000")
        for word in ("webs", "leep"):
            refused = self.cli("status", word)
            self.assertEqual(b"nearest" in refused.err, word == "leep", refused)
        self.ok("stop", "all")

    def test_several_targets(self):
        for label, code in (("one", 0), ("two", 3), ("three", 5)):
            self.start(label, ["sh", "-c", f"exit {code}"])
        self.assertEqual(self.cli("wait", "one", "two", "three", "--exit").code, 3)
        self.assertEqual(self.cli("wait", "three", "two", "one").code, 5)
        self.assertEqual(self.cli("wait", "one").code, 0)
        self.assertEqual(len(self.cli("wait", "one", "two", "--json").json()["waits"]), 2)
        self.assertEqual(self.ok("wait", "api", "p1", "--pattern", "3").out, b"p1 (api): 3\n")
        finished = self.cli("stop", "api", "nope")
        self.assertEqual(finished.code, 125)
        self.assertOneLine(finished.err, 'persistproc: no process is "nope"')
        self.assertEqual(self.ok("stop", "--all").out, b"")
        self.assertIn(b"4 forgotten, ", self.ok("rm", "--all").out)
        self.assertEqual(self.views(), [])


class Records(harness.TestCase):
    """prune, rename, flush, rm -f."""

    def test_prune(self):
        self.start("goes-on", ["sleep", "1000"])
        for i in range(3):
            self.start(f"n{i}", ["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x"])
            self.wait_exit(f"n{i}")
        self.assertRegex(self.ok("prune").out.decode(), r"^3 forgotten, 29\d\.\d KiB\n$")
        self.assertEqual([view["label"] for view in self.views()], ["goes-on"])
        self.assertEqual(self.ok("prune").out, b"0 forgotten, 0 B\n")

    def test_what_does_not_run_is_not_said_to_be_stopped(self):
        self.start("a", ["sleep", "1000"])
        self.assertEqual(self.ok("stop", "a").out, b"p1 (a) stopped (SIGTERM)\n")
        self.assertEqual(self.ok("stop", "a").out, b"p1 (a) was not running\n")
        self.assertEqual(self.ok("stop", "a", "--json").json()["state"], "stopped")

    def test_rename(self):
        self.start("a", ["sleep", "1000"])
        self.start("b", ["sleep", "1001"])
        refused = self.cli("rename", "a", "b")
        self.assertEqual(refused.code, 125)
        self.assertOneLine(refused.err, 'label "b" is in use by p2; "b-2" is free')
        for label in ("all", "p7", "-x"):
            self.assertEqual(self.cli("rename", "a", "--", label).code, 2, label)
        self.ok("rename", "a", "new name")
        self.assertEqual(self.view("p1")["label"], "new name")
        self.daemon.restart()
        self.assertEqual(self.view("new name")["id"], "p1")
        self.assertIn("a to new name", self.ok("audit", "p1").out.decode())

    def test_flush(self):
        self.start("w", ["sh", "-c", "echo old; until test -e go; do sleep 0.01; done; echo new; exec sleep 1000"])
        self.ok("wait", "w", "--pattern", "old")
        before = self.ok("logs", "w", "--json").json()
        self.assertEqual([line["text"] for line in before["lines"]], ["old"])
        self.ok("flush", "w")
        self.assertEqual(self.ok("logs", "w").out, b"")
        after = self.ok("logs", "w", "-n", "0", "--json").json()
        self.assertEqual((after["lines"], after["evicted_bytes"]), ([], 4))
        (self.place.work / "go").touch()
        self.ok("wait", "w", "--pattern", "new")
        # A cursor from before goes on where it stood.
        next_ones = self.ok("logs", "w", "--json", "--cursor", before["next_cursor"]).json()
        self.assertEqual([line["text"] for line in next_ones["lines"]], ["new"])
        self.ok("stop", "w")
        self.ok("flush", "w")
        self.assertEqual(self.ok("logs", "w").out, b"")
        self.assertEqual(self.view("w")["state"], "stopped")
        self.daemon.restart()
        self.assertEqual(self.view("w")["state"], "stopped")
        self.ok("start", "w")
        self.ok("wait", "w", "--pattern", "new")

    def test_restart_gives_up_after_as_many_quick_failures_as_were_asked_for(self):
        self.start("f", ["false"], "--restart", "on-failure:3")
        harness.eventually("it gives up", lambda: self.view("f")["state"] == "gave_up")
        self.assertEqual(self.view("f")["run"], "p1.3")
        self.daemon.restart()
        self.ok("start", "f")
        harness.eventually("it gives up again", lambda: self.view("f")["state"] == "gave_up")
        self.assertEqual(self.view("f")["run"], "p1.6")

    def test_a_run_that_could_not_be_started_ends_as_a_shell_says(self):
        program = self.place.work / "gone"
        program.write_text("#!/bin/sh\necho up\nexec sleep 600\n")
        program.chmod(0o700)
        self.ok("start", "--label", "web", "--restart", "always", "--", "./gone")
        # The shell opens its script by name.
        self.ok("wait", "web", "--pattern", "up")
        program.unlink()
        self.ok("signal", "KILL", "web")
        harness.eventually("it is tried again", lambda: self.view("web")["reason"] == "exec_failed")
        waited = self.cli("wait", "web", "--exit")
        self.assertEqual(waited.code, 127, waited)
        self.assertIn(b"persistproc: p1 (web) could not be started: ./gone: No such file or directory; ", waited.err)

    def test_a_restarted_process_is_waited_for(self):
        count = self.place.work / "count"
        self.start("s", ["sh", "-c", 'echo x >> count; test $(wc -l < count) -gt 3 || exit 1; echo up; exec sleep 1000'],
                   "--restart", "on-failure")
        self.assertEqual(self.ok("wait", "s", "--pattern", "up", "--timeout", "20").out, b"up\n")
        self.assertEqual(count.read_text().count("x"), 4)
        self.start("g", ["false"], "--restart", "on-failure:2")
        refused = self.cli("wait", "g", "--pattern", "up", "--timeout", "20")
        self.assertEqual(refused.code, 125)
        self.assertOneLine(refused.err, "before")

    def test_one_word_is_nothing_where_a_daemon_serves_no_process(self):
        refused = self.cli("start", "nosuchprogram")
        self.assertEqual(refused.code, 4)
        self.assertOneLine(refused.err, 'no process is "nosuchprogram": there are none yet; nor is it a program')


class WithoutDaemon(harness.TestCase):
    autostart = False

    def setUp(self):
        super().setUp()
        self.place.environment["PERSISTPROC_PORT"] = str(harness.free_port())

    def test_nothing_yet(self):
        finished = self.ok("list")
        self.assertEqual(finished.out, b"no processes yet; persistproc run CMD starts one\n")
        self.assertEqual(self.ok("list", "--json").json(), {"processes": []})
        self.assertEqual(self.ok("logs").out, b"")
        for words in ("stop all", "flush all", "prune", "rm --all", "audit", "status all", "status all --json"):
            self.assertEqual(self.ok(*words.split()).code, 0, words)
        for words in ("stop web", "logs web", "logs -f web api", "list web", "wait web --exit", "rename web api", "rm web"):
            refused = self.cli(*words.split())
            self.assertEqual((refused.code, refused.out), (125, b""), refused)
            self.assertOneLine(refused.err, 'no process is "web": there are none yet')
        refused = self.cli("status", "web")
        self.assertEqual(refused.code, 4)
        self.assertOneLine(refused.err, 'no process is "web": there are none yet')
        # Nor is one started for what is neither a process nor a program.
        refused = self.cli("start", "nosuchprogram")
        self.assertEqual(refused.code, 4)
        self.assertOneLine(refused.err, 'no process is "nosuchprogram": there are none yet; nor is it a program')
        for words in (("run", "nosuchprogram"), ("start", "nosuchprogram", "-x"), ("start", "--label", "x", "nosuchprogram")):
            refused = self.cli(*words)
            self.assertEqual(refused.code, 127, refused)
            self.assertOneLine(refused.err, "nosuchprogram: no such program in PATH")
        said = self.ok("shutdown")
        self.assertOneLine(said.err, "no daemon runs")
        self.assertEqual(self.ok("shutdown", "--json").json(), {"stopped": [], "kept": [], "untouched": []})
        self.assertFalse(self.place.data.exists())
        self.assertFalse(harness.processes_of(self.place.data))

    def test_a_data_directory_that_is_none_is_said(self):
        self.place.data.write_text("")
        for command in (["list"], ["status", "web"], ["logs", "web"], ["stop", "web"], ["start", "true"]):
            refused = self.cli(*command)
            self.assertEqual((refused.code, refused.out), (125, b""))
            self.assertOneLine(refused.err, f"data directory {self.place.data} is no directory")
        self.place.data.unlink()

    @harness.needs_root
    def test_a_data_directory_of_another_user_is_said_by_all(self):
        self.place.data.mkdir(0o700)
        for mode, said in ((0o755, " belongs to another user (uid 0)"), (0o700, ": Permission denied")):
            self.place.root.chmod(mode)
            told = set()
            for words in ("list", "status a", "logs a", "wait a --exit", "stop a", "restart a", "signal TERM a", "rm a",
                          "rename a b", "flush a", "start a", "run true", "audit", "shutdown", "serve --detach"):
                refused = subprocess.run(
                    [*harness.AS_NOBODY, harness.BIN / "persistproc", *words.split()], cwd="/", capture_output=True,
                    env={**self.place.environment, "XDG_RUNTIME_DIR": "", "HOME": "/"}, timeout=harness.PATIENCE)
                told.add(refused.stderr)
            self.assertEqual(len(told), 1, told)
            self.assertOneLine(told.pop(), f"data directory {self.place.data}{said}; name one of yours: ")

    def test_a_port_that_is_taken_is_told_with_its_holder(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            refused = self.cli("--port", str(port), "run", "true")
        self.assertEqual(refused.code, 125)
        self.assertOneLine(refused.err, f"start: port {port} is held by python", f" (PID {os.getpid()}); use --port")
        # One of ours is known by what it serves, and told once, in the foreground, too.
        self.ok("serve", "--detach")
        port = self.place.environment["PERSISTPROC_PORT"]
        daemon = re.search(r"PID (\d+)", (self.place.data / "daemon.lock").read_text())[1]
        held = f"port {port} is held by your persistproc daemon for {self.place.data} (PID {daemon}); use --port"
        elsewhere = ("--data-dir", str(self.place.root / "elsewhere"))
        for words in (("run", "true"), ("serve", "--detach"), ("serve",)):
            refused = self.cli(*elsewhere, *words)
            self.assertEqual((refused.code, refused.err.count(b" held by ")), (125, 1), refused)
            self.assertOneLine(refused.err, held)

    def test_a_daemon_that_is_gone_is_started_to_tell_of_what_runs_on(self):
        for command in (["list"], ["status", "a"], ["logs", "a"], ["wait", "a", "b", "--quiet", "0.1"], ["audit"]):
            with self.subTest(command):
                self.ok("start", "--label", "a", "sh", "-c", "echo said; exec sleep 1000")
                self.ok("start", "--label", "b", "sleep", "1000")
                self.ok("start", "--label", "ended", "true")
                harness.eventually("the keeper of what has ended has left", lambda: len(self.keepers()) == 2)
                pid = self.daemon_pid()
                os.kill(pid, signal.SIGKILL)
                harness.eventually("it is gone", lambda: not harness.is_alive(pid))
                refused = self.cli("shutdown")
                self.assertEqual(refused.code, 125)
                self.assertOneLine(refused.err, "no daemon runs, but 2 programs run on")
                for words in ("stop a", "restart a", "rename a c", "flush a", "rm a", "prune", "stop all"):
                    refused = self.cli(*words.split())
                    self.assertEqual((refused.code, refused.out), (125, b""), refused)
                    self.assertOneLine(refused.err, "no daemon serves ", ", and 2 programs run on; take them over: persistproc serve")
                refused = self.cli("run", "--no-autostart", "true")
                self.assertOneLine(refused.err, "no daemon serves ", ", and 2 programs run on; take them over: ", "--no-autostart")
                finished = self.ok(*command)
                self.assertTrue(command[0] == "wait" or b"a" in finished.out, finished)
                self.assertOneLine(finished.err, "2 programs had run on")
                self.assertEqual(self.ok(*command).err, b"")
        self.ok("shutdown")
        self.assertTrue(self.ok("list").err.endswith(b"it was started\n"))

    def keepers(self):
        return [pid for pid, command in harness.processes_of(self.place.data) if "persistproc-shim" in command]

    def daemon_pid(self):
        return next(pid for pid, command in harness.processes_of(self.place.data) if "persistprocd" in command)


if __name__ == "__main__":
    harness.main()
