"""The commands of the binary as a person meets them: where a setting comes from, and that each wrong use names
the thing, says what to do, and ends with 2 (wrong usage) or 1 (failure) without making or harming anything."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest
from lib import admin, clients, lines, messages
from lib import server as servers
from lib.messages import Caller, crc32c

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
import broker_configs  # noqa: E402

FREE = ("--kafka", "127.0.0.1:0", "--kinesis", "127.0.0.1:0", "--admin", "127.0.0.1:0")


def run(*arguments, folder, environment=None, user=None):
    """Exit code, standard output, standard error of a command that ends by itself."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DIGLOT_")}
    done = subprocess.run([str(servers.BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=30,
                          cwd=folder, env={**plain, **(environment or {})}, stdin=subprocess.DEVNULL, user=user)
    return done.returncode, done.stdout, done.stderr


def refused(code, said, *arguments, folder, **more):
    """The command ends with this code, says each of these texts on standard error, and makes nothing."""
    before = sorted(os.listdir(folder))
    got, out, err = run(*arguments, folder=folder, **more)
    assert (got, out) == (code, ""), (got, out, err)
    for text in said:
        assert text in err, (text, err)
    assert sorted(os.listdir(folder)) == before
    return err


def test_help_and_version(tmp_path):
    code, out, err = run("--help", folder=tmp_path)
    assert (code, err) == (0, "")
    commands = re.findall(r"^  (\w+) ", out, re.MULTILINE)
    assert commands == ["serve", "dump", "check", "backup", "settings", "memory", "version"]
    for command in commands:
        for flag in ("--help", "-h"):
            code, out, err = run(command, flag, folder=tmp_path)
            assert (code, err) == (0, "") and out.startswith(f"Usage: diglot {command}"), (command, out, err)
    for arguments in (["version"], ["--version"], ["-V"], ["-v"]):
        code, out, err = run(*arguments, folder=tmp_path)
        assert code == 0 and re.fullmatch(r"diglot \d+\.\d+\.\d+\n", out) and err == ""


def test_the_settings_page_and_help_tell_of_every_setting(tmp_path):
    code, page, _ = run("settings", folder=tmp_path)
    assert code == 0
    assert page == (servers.ROOT / "docs" / "settings.md").read_text(), "run `diglot settings > docs/settings.md`"
    flags = re.findall(r"^\| `(--[a-z-]+)` \| `(DIGLOT_[A-Z_]+)` ", page, re.MULTILINE)
    assert len(flags) > 20
    text = run("serve", "--help", folder=tmp_path)[1]
    for flag, variable in flags:
        assert f"  {flag} " in text
        assert variable == "DIGLOT" + flag[1:].replace("-", "_").upper()


@pytest.mark.parametrize("arguments, said", [
    ([], ["Usage: diglot COMMAND"]),
    (["nope"], ["nope is not a command", "Usage: diglot COMMAND"]),
    (["version", "nope"], ["nope is not a flag", "Usage: diglot version"]),
    (["settings", "--nope"], ["--nope is not a flag", "Usage: diglot settings"]),
    (["dump", "nope"], ["nope is not a flag", "Usage: diglot dump"]),
    (["check", "--nope=1"], ["--nope=1 is not a flag", "Usage: diglot check"]),
    (["check", "--data-dir"], ["--data-dir needs a value"]),
    (["serve", "nope"], ["nope is not a flag", "serve --help"]),
    (["serve", "--nope=1"], ["--nope is not a flag", "serve --help"]),
    (["serve", "--config"], ["--config needs a value"]),
    (["serve", "--num-partitions"], ["--num-partitions needs a value", "from 1 to 10000"]),
    (["serve", "--data-dir", "--loops", "2"], ["--data-dir needs a value: a folder"]),
    (["serve", "--num-partitions", "0"], ['--num-partitions: "0"', "from 1 to 10000"]),
    (["serve", "--num-partitions=1e3"], ['"1e3"', "from 1 to 10000"]),
    (["serve", "--retention-ms", "9223372036854775808"], ["--retention-ms", "from -1 to 9223372036854775807"]),
    (["serve", "--auto-create-topics", "maybe"], ['--auto-create-topics: "maybe"', "true or false"]),
    (["serve", "--limits", "aws"], ['--limits: "aws"', "kinesis|off"]),
    (["serve", "--account-id", "12345"], ["--account-id", "12 digits"]),
    (["serve", "--region", "us east 1"], ["--region", "us-east-1"]),
    (["serve", "--kafka", "here"], ['diglot: --kafka: "here" is not legal; it takes HOST:PORT, several with commas']),
    (["serve", "--kafka=here"], ['diglot: --kafka: "here" is not legal; it takes HOST:PORT']),
    (["serve", "--kafka", ""], ["--kafka", "HOST:PORT"]),
    (["serve", "--kafka", "127.0.0.1:0,"], ["--kafka", "HOST:PORT"]),
    (["serve", "--kinesis", "127.0.0.1:65536"], ["--kinesis", "HOST:PORT"]),
    (["serve", "--admin", "127.0.0.1:1,127.0.0.1:2"], ["--admin", "HOST:PORT"]),
    (["serve", "--advertised-kafka", "a:1,b"], ["--advertised-kafka", "HOST:PORT"]),
    (["serve", *FREE, "--admin", "0.0.0.0:0"], ["--admin 0.0.0.0:0", "--listen-beyond-loopback"]),
    (["serve", *FREE, "--kafka", "127.0.0.1:0,[::]:0"], ["--kafka [::]:0", "--listen-beyond-loopback"]),
    (["serve", *FREE, "--tls-cert", "c.pem"], ["--tls-cert", "--tls-key", "together"]),
])
def test_wrong_usage(arguments, said, tmp_path):
    refused(2, said, *arguments, folder=tmp_path)


def test_wrong_settings_in_environment_and_file_name_their_source(tmp_path):
    refused(2, ["DIGLOT_NUM_PARTITIONS", '"many"', "from 1 to 10000"], "serve", folder=tmp_path,
            environment={"DIGLOT_NUM_PARTITIONS": "many"})
    refused(2, ["nothere.json", "No such file"], "serve", "--config", "nothere.json", folder=tmp_path)
    refused(2, ["nothere.json", "No such file"], "serve", folder=tmp_path,
            environment={"DIGLOT_CONFIG": "nothere.json"})
    for text, said in ((b'{"limits":', ["line 1"]), (b"[]", ["not a JSON object"]),
                       (b'{"loops": 1, "loops": 2}', ["loops"]), (b'{"loops": 1.5}', ['"loops"', "a number"]),
                       (b'{"nope": 1, "limits": "aws"}', ['"nope" is not a setting', '"aws"', "kinesis|off"]),
                       (b'{"kafka": "here"}', ['c.json: "kafka": "here"', "HOST:PORT"])):
        (tmp_path / "c.json").write_bytes(text)
        refused(2, ["c.json", *said], "serve", "--config=c.json", folder=tmp_path)


def partitions_of_a_new_topic(*options, environment=None):
    """What --num-partitions says in a server so started, and what it printed."""
    with servers.Diglot(options, environment=environment) as server:
        clients.run(["kcat", "-b", server.kafka, "-P", "-t", "t"], "record\n")
        metadata = json.loads(clients.run(["kcat", "-b", server.kafka, "-L", "-J", "-t", "t"]))
        return len(metadata["topics"][0]["partitions"]), server.output()


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"num-partitions": 2, "region": "eu-west-1"}))
    named, variable = {"DIGLOT_CONFIG": str(file)}, {"DIGLOT_NUM_PARTITIONS": "3"}
    assert partitions_of_a_new_topic()[0] == 1
    assert partitions_of_a_new_topic("--config", str(file))[0] == 2
    partitions, output = partitions_of_a_new_topic(environment={**named, **variable})
    assert partitions == 3 and "--region eu-west-1" in output
    assert partitions_of_a_new_topic("--num-partitions", "4", environment={**named, **variable})[0] == 4
    assert partitions_of_a_new_topic("--num-partitions=4", "--num_partitions", "5")[0] == 5


def test_a_variable_that_is_no_setting_is_told_and_ignored():
    partitions, output = partitions_of_a_new_topic(environment={"DIGLOT_NUMPARTITIONS": "7"})
    assert partitions == 1
    assert "DIGLOT_NUMPARTITIONS in the environment is not a setting" in output


def test_the_page_of_broker_configs_is_what_the_binary_prints(tmp_path):
    code, page, _ = run("settings", "--broker-configs", folder=tmp_path)
    assert code == 0 and page.count("| no effect |") > 100
    assert page == (servers.ROOT / "docs" / "broker-configs.md").read_text(), "run `diglot settings --broker-configs`"


SETS = {"group.min.session.timeout.ms": "100", "group.max.session.timeout.ms": "200000",
        "offset.metadata.max.bytes": "5", "message.max.bytes": "2000", "log.message.timestamp.type": "LogAppendTime",
        "log.retention.minutes": "3", "num.partitions": "3", "fetch.max.bytes": "4096"}


@pytest.mark.parametrize("source", ["flag", "environment", "file"])
def test_broker_configs_are_set_under_apache_kafkas_names(source, tmp_path):
    file, options, environment = tmp_path / "c.json", [], {}
    if source == "flag":
        options = [part for name, value in SETS.items() for part in ("--set", f"{name}={value}")]
    elif source == "environment":
        environment = {"DIGLOT_SET": "; ".join(f"{name}={value}" for name, value in SETS.items())}
    else:
        file.write_text(json.dumps({"set": {n: int(v) if v.isdigit() else v for n, v in SETS.items()}}))
        options = ["--config", str(file)]
    with servers.Diglot(options, environment=environment) as server, Caller(server.kafka) as caller:
        found = broker_configs.describe(server.kafka)
        for name, value in (SETS | {"log.retention.ms": "180000"}).items():
            if name != "log.retention.minutes":
                assert (found[name]["value"], found[name]["config_source"]) == (value, broker_configs.STATIC), name
        for session_ms, error in ((99, 26), (100, 0), (200000, 0), (200001, 26)):
            joined = caller.call("JoinGroup", 3, group_id=f"g{session_ms}", session_timeout_ms=session_ms,
                                 rebalance_timeout_ms=1000, member_id="", protocol_type="consumer",
                                 protocols=[{"name": "range", "metadata": b""}])
            assert joined["error_code"] == error, session_ms
        name = "topic"
        made, = caller.call("CreateTopics", 7, timeout_ms=10000, topics=[
            {"name": name, "num_partitions": -1, "replication_factor": -1, "configs": []}])["topics"]
        assert made["error_code"] == 0
        metadata, = caller.call("Metadata", 4, topics=[{"name": name}], allow_auto_topic_creation=False)["topics"]
        assert len(metadata["partitions"]) == 3
        topic, = caller.call("DescribeConfigs", 4, resources=[
            {"resource_type": 2, "resource_name": name, "configuration_keys": None}])["results"]
        values = {c["name"]: c["value"] for c in topic["configs"]}
        assert [values[n] for n in ("retention.ms", "message.timestamp.type", "max.message.bytes")] == [
            "180000", "LogAppendTime", "2000"]
        for metadata, error in (("x" * 5, 0), ("x" * 6, 12)):
            committed, = caller.call("OffsetCommit", 2, group_id="g", generation_id_or_member_epoch=-1, member_id="",
                                     topics=[{"name": name, "partitions": [
                                         {"partition_index": 0, "committed_offset": 1,
                                          "committed_metadata": metadata}]}])["topics"]
            assert committed["partitions"][0]["error_code"] == error


def test_a_broker_config_and_its_setting_are_one():
    for options, expected in ((["--num-partitions", "2", "--set", "num.partitions=4"], 4),
                              (["--set=num.partitions=4", "--num-partitions", "2"], 2),
                              (["--set", "num.partitions=4", "--set", "num.partitions=5"], 5)):
        assert partitions_of_a_new_topic(*options)[0] == expected


def test_a_broker_config_without_effect_is_told_and_passed_over():
    partitions, output = partitions_of_a_new_topic("--set", "log.segment.bytes=7", "--set", "num.partitions=2")
    assert partitions == 2
    assert "--set log.segment.bytes has no effect here; docs/broker-configs.md lists" in output


@pytest.mark.parametrize("setting, said", [
    ("no.such.config=1", ["no.such.config is no broker config of Apache Kafka"]),
    ("num.partitions", ["NAME=VALUE", '"num.partitions"']), ("", ["NAME=VALUE"]),
    ("num.partitions=0", ["--set num.partitions", '"0"', "from 1 to 10000"]),
    ("num.partitions=", ["--set num.partitions", '""']),
    ("log.retention.hours=9223372036854775807", ["--set log.retention.hours", "from -1 to 2147483647"]),
    ("auto.create.topics.enable=yes", ["--set auto.create.topics.enable", '"yes"', "true or false"]),
    ("listeners=PLAINTEXT://:9092", ["--set listeners", "--kafka"]),
    ("advertised.listeners=PLAINTEXT://a:9092", ["--set advertised.listeners", "--advertised-kafka"]),
    ("compression.type=rar", ["--set compression.type", "Invalid value rar"]),
    ("log.cleanup.policy=compact", ["--set log.cleanup.policy", "compaction is not supported"]),
    ("min.insync.replicas=0", ["--set min.insync.replicas", "Invalid value 0"]),
])
def test_a_wrong_broker_config_is_refused(setting, said, tmp_path):
    refused(2, said, "serve", "--set", setting, folder=tmp_path)
    if "=" in setting:
        refused(2, [text.replace("--set", "DIGLOT_SET") if text.startswith("--set") else text for text in said],
                "serve", folder=tmp_path, environment={"DIGLOT_SET": setting})
        (tmp_path / "c.json").write_text(json.dumps({"set": dict([setting.split("=", 1)])}))
        refused(2, [text.replace("--set", "c.json") if text.startswith("--set ") else text for text in said],
                "serve", "--config", "c.json", folder=tmp_path)


def test_a_directory_or_port_in_use_is_refused_and_its_owner_goes_on(fresh_server, tmp_path):
    server = fresh_server
    for command in (["serve", *FREE], ["dump"], ["check"]):
        refused(1, [f'"{server.data}" is in use by another process', "--data-dir"], *command, "--data-dir", server.data,
                folder=tmp_path)
    for door in ("kafka", "kinesis", "admin"):
        address = getattr(server, door)
        code, _, err = run("serve", *FREE, f"--{door}", address, folder=tmp_path)
        assert code == 1 and f"--{door} {address}" in err and "Address already in use" in err, err
    assert server.running() and server.stop() == 0
    for command in ("dump", "check"):
        assert run(command, folder=tmp_path, environment={"DIGLOT_DATA_DIR": str(server.data)})[0] == 0


def test_dump_shows_what_clients_chose_without_speaking_to_the_terminal(fresh_server, tmp_path):
    server = fresh_server
    admin.create_topic(server, "t", 1)
    evil = "a\noffset group=forged \x1b[31m\x9b31m \x00behind\"\\"
    with messages.Caller(server.kafka) as caller:
        row = {"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1, "committed_metadata": ""}
        told = caller.call("OffsetCommit", 8, group_id=evil, generation_id_or_member_epoch=-1, member_id="",
                           topics=[{"name": "t", "partitions": [row]}])
        assert told["topics"][0]["partitions"][0]["error_code"] == 0
    server.stop()
    code, out, _ = run("dump", "--data-dir", server.data, folder=tmp_path)
    line, = (line for line in out.splitlines() if line.startswith("offset "))
    assert code == 0 and line.startswith(
        'offset group="a\\noffset group=forged \\x1b[31m\\xc2\\x9b31m \\x00behind\\"\\\\" topic=')
    assert all(c == "\n" or c.isprintable() for c in out)


def test_a_data_directory_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for command in ("dump", "check"):
        refused(1, ['"./data" holds no data of diglot', "--data-dir"], command, folder=tmp_path)
        for name in ("nothere", "empty", "file"):
            refused(1, [f'"{name}" holds no data of diglot'], command, "--data-dir", name, folder=tmp_path)
    refused(1, ['data directory "" cannot be used'], "serve", *FREE, "--data-dir", "", folder=tmp_path)
    for name, why in (("file", "Not a directory"), ("file/below", "Not a directory"), ("/proc/x", "No such file")):
        told = refused(1, [f'"{name}"', f"{why}", "--data-dir names another one"], "serve", *FREE, "--data-dir", name,
                       folder=tmp_path)
        assert "recovery.md" not in told                    # nothing is damaged


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_data_directory_of_somebody_else(fresh_server):
    server = fresh_server
    server.stop()
    with tempfile.TemporaryDirectory() as folder:
        binary = pathlib.Path(folder, "diglot")         # where that user may reach it
        binary.write_bytes(servers.BINARY.read_bytes())
        binary.chmod(0o755)
        os.chmod(folder, 0o755)
        server.data.chmod(0)
        for command in (["serve", *FREE], ["dump"], ["check"]):
            done = subprocess.run([binary, *command, "--data-dir", server.data], capture_output=True, text=True,
                                  timeout=30, cwd="/", user=65534, stdin=subprocess.DEVNULL)
            assert done.returncode == 1 and f'"{server.data}" cannot be used' in done.stderr
            assert "Permission denied" in done.stderr and "recovery.md" not in done.stderr, done.stderr


def open_to_others(folder):
    """What in there another user could look into. Certificates are made to be handed on."""
    return {str(path): oct(path.stat().st_mode & 0o777) for path in [folder, *folder.rglob("*")]
            if path.stat().st_mode & 0o077 and path.name not in ("ca.pem", "server.pem")}


def test_a_data_directory_is_its_owners_alone(start_server, topic):
    """Whatever the umask; one that is wider is narrowed, but not one that holds others' files too."""
    umask = os.umask(0)
    try:
        with start_server() as server:
            admin.create_topic(server, topic, 1)
            clients.Confluent().write(server, topic, [lines.Record(None, b"v" * 1000, partition=0)] * 100)
            assert open_to_others(server.data) == {}
            server.stop()
            assert open_to_others(server.data) == {}
            server.data.chmod(0o755)
            server.start()
            assert open_to_others(server.data) == {}
            assert "other users" not in server.output()
        server = start_server()
        server.data.mkdir()
        with server:
            assert open_to_others(server.data) == {}
        server = start_server()
        server.data.mkdir()
        (server.data / "notes.txt").write_text("not ours")
        with server:
            assert server.data.stat().st_mode & 0o777 == 0o777
            assert open_to_others(server.data).keys() == {str(server.data), str(server.data / "notes.txt")}
            assert "chmod 700 keeps them out" in server.output()
    finally:
        os.umask(umask)


def stamp(data, version):
    """Another format for a fresh data directory that no start has tidied up. The stamp lies in a frame of the
    write-ahead log (storage/wal/frame.h), whose header has a CRC of the batch and one of itself."""
    extent, = data.glob("*.extent")
    content = bytearray(extent.read_bytes())
    key = b"\x07Mformat\x04"                  # with the length before and that of the value behind
    stamped = content.index(key) + len(key)
    content[stamped:stamped + 4] = version.to_bytes(4, "big")
    at = 64
    while content[at:at + 8] == b"DGLTFRAM":
        payload, runs, batch = (int.from_bytes(content[at + i:at + i + 4], "big") for i in (36, 40, 44))
        first = at + 64 + payload + 28 * runs
        content[at + 48:at + 52] = crc32c(content[first:first + batch]).to_bytes(4, "big")
        content[at + 60:at + 64] = crc32c(content[at:at + 60]).to_bytes(4, "big")
        at = (first + batch + 7) // 8 * 8
    extent.write_bytes(content)


@pytest.mark.parametrize("version, remedy", [(1, "use an older one"), (99, "use a newer one")])
def test_another_format_is_refused_and_left_alone(version, remedy, fresh_server, tmp_path):
    server = fresh_server
    server.kill()
    stamp(server.data, version)
    for command in (["serve", *FREE], ["dump"], ["check"]):
        refused(1, [f'"{server.data}"', f"format {version}", remedy], *command, "--data-dir", server.data,
                folder=tmp_path)


def test_tls_files_that_cannot_be_used(fresh_server, tmp_path):
    (tmp_path / "c.pem").write_text("no certificate")
    for name, why in (("nothere.pem", "No such file"), ("c.pem", "no start line")):
        code, _, err = run("serve", *FREE, "--tls-cert", name, "--tls-key", "k.pem", folder=tmp_path)
        assert code == 1 and f"--tls-cert {name}" in err and why in err, err
    server = fresh_server
    server.stop()
    (server.data / "tls" / "server.pem").write_text("no certificate")
    refused(1, [f"{server.data}/tls cannot be used"], "serve", *FREE, "--data-dir", server.data, folder=tmp_path)


def test_what_a_start_prints(tmp_path):
    """Where each door is, and two lines to try, also at an IPv6 address."""
    process = subprocess.Popen([servers.BINARY, "serve", "--data-dir", tmp_path / "d", "--kafka", "127.0.0.1:0,[::1]:0",
                                "--kinesis", "[::1]:0", "--admin", "localhost:0"], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], lines
    finally:
        process.terminate()
        assert process.wait(30) == 0
    doors = [line.strip() for line in lines[:4]]
    assert [re.sub(r"\d+$", "N", door) for door in doors] == [
        "kafka 127.0.0.1:N", "kafka [::1]:N", "kinesis [::1]:N", "admin 127.0.0.1:N"]
    text = "".join(lines)
    assert f"kcat -b {doors[0].split()[1]} -L" in text
    assert f"--endpoint-url http://{doors[2].split()[1]} kinesis list-streams" in text
