"""Old versions of every tool stand first in PATH and fail when used: what the scripts and the tests start is the
checked one all the same, and what is too old in its own place is named with what to do."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTS = ("script/packages.txt", "tests/deps/packages.txt")
BESIDE = ("npm", "npx", "node", "go", "pip", "pip3", "c++", "ld", "as", "ar", "ranlib", "nm", "strip", "objdump", "git",
          "dpkg", "dpkg-query", "apt-get", "ctest", "llvm-symbolizer", "llvm-profdata", "pytest")


def listed():
    """Every command that a list has a version for."""
    lines = (line.split() for name in LISTS for line in (ROOT / name).read_text().splitlines() if line[:1] not in "#")
    return sorted({pathlib.Path(command).name for package, *more in lines for command in more[1:]})


class OldToolsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="diglot-old-tools-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.old, self.used = self.folder / "old" / "bin", self.folder / "used"
        self.old.mkdir(parents=True)
        for name in {*listed(), *BESIDE}:
            self.shim(name)
        self.environment = {**os.environ, "PATH": f"{self.old}:{os.environ['PATH']}", "JAVA_HOME": str(self.old.parent)}

    def shim(self, name, version="1.0"):
        command = self.old / name
        command.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.used}"\necho "{name} {version}"\n'
                           'case $1 in -V|--version) exit 0 ;; esac\nexit 1\n')
        command.chmod(0o755)
        return command

    def run_it(self, *command, **environment):
        return subprocess.run(command, cwd=ROOT, env={**self.environment, **environment}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def passes(self, *command, **environment):
        done = self.run_it(*command, **environment)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertFalse(self.used.exists(), self.used.exists() and self.used.read_text())
        return done.stdout

    def test_the_lists_name_what_the_scripts_start(self):
        self.assertLessEqual({"gcc", "cmake", "ninja", "python3", "clang", "aws", "kcat", "curl", "make", "java",
                              "javac", "mvn", "g++", "pkg-config"}, set(listed()))

    def test_every_script_has_the_checked_tools(self):
        scripts = [p for top in ("script", "tests") for p in (ROOT / top).rglob("*") if p.is_file()
                   and os.access(p, os.X_OK) and p.read_bytes().startswith(b"#!/bin/bash")]
        self.assertGreaterEqual(len(scripts), 5)
        for path in scripts:
            self.assertRegex(path.read_text(), r"(?m)^\. .*script/packages\.sh", path)

    def test_installing_takes_the_checked_ones(self):
        self.passes("/bin/bash", "tests/deps/install.sh", "apt", DIGLOT_DEPS=str(self.folder / "deps"))
        links = self.folder / "deps" / "bin"
        self.assertEqual(sorted(p.name for p in links.iterdir()), listed())
        for link in links.iterdir():
            self.assertTrue(link.resolve(strict=True).is_relative_to("/usr"), link)

    def test_a_build_takes_the_checked_ones(self):
        build = self.folder / "build"
        self.passes("/bin/bash", "-euc", f". script/packages.sh; cmake -S . -B {build} -G Ninja -DDIGLOT_TESTS=OFF")
        self.assertNotIn(str(self.old), (build / "CMakeCache.txt").read_text())

    def test_the_tests_take_the_checked_ones(self):
        found = self.passes(sys.executable, "-c", "import shutil, sys; sys.path.insert(0, 'tests/interop')\n"
                            f"from lib import server\nfor name in {listed()}: print(shutil.which(name))").split()
        self.assertEqual(len(found), len(listed()))
        for path in found:
            self.assertFalse(path.startswith(str(self.old)), path)

    def test_a_step_that_fails_half_way_is_not_taken_for_done(self):
        done = self.run_it("/bin/bash", "tests/deps/install.sh", "python", DIGLOT_DEPS=str(self.folder / "deps"),
                           PIP_NO_INDEX="1", PIP_FIND_LINKS="")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("could not install python", done.stdout)
        self.assertEqual(os.listdir(self.folder / "deps" / "stamps"), [])

    def test_what_is_too_old_in_its_own_place_is_named(self):
        tools = self.folder / "list.txt"
        new = self.shim("new", "3.10")
        tools.write_text(f"# a comment\nlibc6-dev\ngood 3.9 {new}\n")
        check = ("/bin/bash", "-euc", f". script/packages.sh; check_tools {tools}")
        self.assertEqual(self.run_it(*check).stdout, "")
        for command, says in ((self.shim("stale", "3.8.9"), "3.8.9"), (self.folder / "absent", "unknown")):
            tools.write_text(f"good 3.9 {new}\nsome-package 3.9 {command}\n")
            done = self.run_it(*check)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{command} is of version {says}, and 3.9 or later is needed", done.stdout)
            self.assertIn("apt-get install -y --reinstall some-package", done.stdout)
            self.assertNotIn(str(new), done.stdout)


if __name__ == "__main__":
    unittest.main()
