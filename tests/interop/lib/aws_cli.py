"""The AWS CLI without its start-up, which is most of what a call costs: its own Python loads it once, and each
call is a child that runs the command's own script from there on.

Started by kinesis.py as `PYTHON aws_cli.py SCRIPT`. One line a call: a JSON list of arguments; one line back: a
JSON list of exit status, standard output and standard error.
"""
import json
import os
import runpy
import sys
import tempfile
import traceback

import awscli.clidriver  # noqa: F401  what the script imports
import awscli.handlers   # noqa: F401  what a first command imports


def run(script, arguments):
    """In the child: the script as the shell would run it. Returns the exit status."""
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        return 1


def call(script, arguments):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            for given, fd in ((os.open(os.devnull, os.O_RDONLY), 0), (out.fileno(), 1), (err.fileno(), 2)):
                os.dup2(given, fd)
            status = run(script, arguments)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status & 255)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return status, out.read().decode(), err.read().decode()


for line in sys.stdin:
    print(json.dumps(call(sys.argv[1], json.loads(line))), flush=True)
