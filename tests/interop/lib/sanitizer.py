"""A server binary built with sanitizers (tests/sanitize.sh): what their runtimes are told, and what they report.

Reports go to files of a folder of this process's own, so that one of `diglot check`, or of a server that a test
kills or never looks at again, fails that test too.
"""
import os
import pathlib
import re
import shutil
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[2]
_folder = None


def kinds(build):
    """What a build folder is built with: "address,undefined", "thread" or ""."""
    cache = (pathlib.Path(build) / "CMakeCache.txt").read_text()
    return re.search(r"^DIGLOT_SANITIZE:\w+=(.*)$", cache, re.MULTILINE)[1]


def use(build):
    """From here on each server of that build that this process starts reports to us; False: it has no sanitizer."""
    global _folder
    if not kinds(build):
        return False
    _folder = pathlib.Path(tempfile.mkdtemp(prefix="diglot-reports-"))
    log = f"log_path={_folder}/report"
    os.environ.update({
        "ASAN_OPTIONS": f"detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1:{log}",
        "LSAN_OPTIONS": f"suppressions={TESTS}/lsan.supp:print_suppressions=0",
        "UBSAN_OPTIONS": f"print_stacktrace=1:{log}",
        "TSAN_OPTIONS": f"suppressions={TESTS}/tsan.supp:halt_on_error=1:second_deadlock_stack=1:{log}",
    })
    return True


def in_use():
    return _folder is not None


def reports():
    """What was reported since the last call: a text, empty when nothing was."""
    found = ""
    for path in sorted(_folder.glob("report*")) if in_use() else ():
        found += path.read_text(errors="replace")
        path.unlink()
    return found


def done():
    global _folder
    if in_use():
        shutil.rmtree(_folder, ignore_errors=True)
    _folder = None
