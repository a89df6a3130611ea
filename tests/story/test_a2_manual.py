"""The manual knows every command and every option that the program does."""
import re
import subprocess

from oodd import OODD, TREE


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
