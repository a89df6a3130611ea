"""What every command has in common: the manual knows it and its options; what it prints arrives, or it says so."""
import re
import resource
import subprocess

from oodd import OODD, TREE, Home, sample


def help_of(*command):
    return subprocess.run([OODD, *command, "--help"], capture_output=True, text=True, check=True).stdout


def test_the_manual_names_every_command_and_option():
    manual = (TREE / "agent" / "oodd.1").read_text().replace("\\-", "-")
    commands = re.findall(r"^  ([a-z]+) ", help_of(), re.M)
    assert "run" in commands and "plugin" in commands
    missing = []
    for command in commands:
        if not re.search(rf"^\.B oodd {command}\b", manual, re.M):
            missing.append(command)
        missing += [f"{command} {option}" for option in re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", help_of(command), re.M)
                    if not re.search(rf"{option}\b", manual)]
    assert not missing


def test_output_that_is_cut_short_is_no_success(tmp_path):
    home = Home(tmp_path)
    home.fit()
    home.log.write_bytes(b"".join(sample("stream")))
    for command in (home.command("replay") + ["--json", home.log], home.command("score") + ["--json", home.log],
                    home.command("check"), [OODD, "--help"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 74 and "cut short" in done.stderr, command
    gone = subprocess.Popen(home.command("replay") + ["--json", home.log], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    gone.stdout.close()
    assert gone.wait(20) == -13  # as any filter: nobody reads it any more


def test_a_limit_on_files_is_told_and_leaves_nothing_behind(tmp_path):
    home = Home(tmp_path)
    home.fit()
    old = (tmp_path / "intent.ref").read_bytes()
    done = home.run("fit", "--model", "clinc-intent", "--output", tmp_path / "intent.ref", "--fit", tmp_path / "train.jsonl", "--calibrate",
                    tmp_path / "reference.jsonl", check=False,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)))
    assert done.returncode == 73 and "File too large" in done.stderr, done.stderr
    assert (tmp_path / "intent.ref").read_bytes() == old and not list(tmp_path.glob("*.new*"))
