"""tools/trackers_checked.py: whether the tests of real trackers have passed on what is here."""
import shutil
import subprocess

import pytest
from conftest import PYTHON, REPOSITORY


@pytest.fixture
def copy(tmp_path):
    """A repository with two inputs and a file that is none."""
    for name in ("python/a.py", "include/b.h", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tests/integration/trackers").mkdir(parents=True)
    shutil.copy(REPOSITORY / "tools/trackers_checked.py", tmp_path / "tools")
    subprocess.run("git init -q . && git add -A", shell=True, cwd=tmp_path, check=True)
    return tmp_path


def asked(copy, *flags):
    return subprocess.run([PYTHON, copy / "tools/trackers_checked.py", *flags], cwd="/", check=False).returncode


def test_what_has_passed_holds_until_an_input_changes(copy):
    assert asked(copy) == 1
    assert asked(copy, "--write") == 0 == asked(copy)
    (copy / "README.md").write_text("no input")
    assert asked(copy) == 0
    (copy / "python/a.py").write_text("changed")
    assert asked(copy) == 1
    (copy / "python/a.py").write_text("python/a.py")
    assert asked(copy) == 0


@pytest.mark.parametrize("change", ["rm include/b.h", "mv include/b.h include/c.h", "echo new > python/new.py", "rm python/a.py; git add -A"])
def test_a_file_that_comes_goes_or_is_renamed_is_a_change(copy, change):
    assert asked(copy, "--write") == 0
    subprocess.run(change, shell=True, cwd=copy, check=True)
    assert asked(copy) == 1


def test_a_clone_with_what_was_written_has_passed_too(copy, tmp_path_factory):
    assert asked(copy, "--write") == 0
    clone = tmp_path_factory.mktemp("clone")
    subprocess.run("git add -A && git -c user.name=a -c user.email=a@b commit -qm a && git clone -q --depth 1 file://$PWD " + str(clone / "c"),
                   shell=True, cwd=copy, check=True)
    assert asked(clone / "c") == 0
