"""The calibration on disk: private, whole or not at all, read anew when it changes."""

from __future__ import annotations

import json
import os
import stat
import warnings
from pathlib import Path

import pytest

from mmai_nb.calibration import Calibration
from mmai_nb.errors import ConfigError, OptionError
from mmai_nb.learned import Learned, read_calibration, write_calibration


def made(bias: float) -> Calibration:
    return Calibration({"bias": bias}, {}, (0.3, 1.0), ("a", "b"), (0.3, 1.0), votes=30)


@pytest.fixture
def learned(tmp_path: Path) -> Learned:
    return Learned(tmp_path / "new" / "calibration.json")


def test_where_nothing_was_saved_nothing_is_in_force(learned):
    assert learned.current() is None


def test_what_is_saved_is_in_force(learned):
    learned.save(made(0.4))
    assert learned.current() == made(0.4)


def test_it_is_its_owners_alone(learned):
    learned.save(made(0.4))
    assert stat.S_IMODE(learned.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(learned.path.parent.stat().st_mode) == 0o700
    assert [p.name for p in learned.path.parent.iterdir()] == ["calibration.json"]


def test_another_kernel_sees_it_at_its_next_look(learned):
    other = Learned(learned.path)
    assert other.current() is None
    learned.save(made(0.4))
    assert other.current() == made(0.4)
    learned.save(made(0.5))
    assert other.current() == made(0.5)


def test_the_file_is_read_once_and_then_only_looked_at(learned, monkeypatch):
    learned.save(made(0.4))
    assert learned.current() is not None
    monkeypatch.setattr("mmai_nb.learned.read_json", None)
    assert learned.current() == made(0.4)


def test_undo_puts_back_what_was_before_and_undo_again_what_was_shipped(learned):
    learned.save(made(0.4))
    learned.save(made(0.5))
    assert learned.undo() == learned.current() == made(0.4)
    assert learned.undo() is None
    assert learned.current() is None
    with pytest.raises(OptionError, match="none to take back"):
        learned.undo()


def test_undo_never_puts_in_force_what_was_taken_back(learned):
    learned.save(made(0.4))
    learned.undo()
    with pytest.raises(OptionError, match="none to take back"):
        learned.undo()
    assert learned.current() is None


def test_reset_leaves_none_to_undo(learned):
    learned.reset()
    learned.save(made(0.4))
    learned.save(made(0.5))
    learned.reset()
    assert learned.current() is None
    with pytest.raises(OptionError, match="none to take back"):
        learned.undo()


def test_the_first_calibration_is_undone_to_none(learned):
    learned.save(made(0.4))
    assert learned.undo() is None
    assert learned.current() is None


def test_there_is_nothing_to_undo_at_first(learned):
    with pytest.raises(OptionError, match="none to take back"):
        learned.undo()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"current": 7}',
        '{"previous": null}',
        '{"current": {"version": 99}}',
        json.dumps({"current": {**made(0.1).as_json(), "offsets": {"bias": 1e9}}}),
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
    ids=range(10),
)
def test_a_damaged_file_is_one_warning_and_no_calibration(learned, text):
    learned.path.parent.mkdir()
    learned.path.write_text(text)
    with pytest.warns(RuntimeWarning, match=r"calibration\.json is not used"):
        assert learned.current() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert learned.current() is None


@pytest.mark.filterwarnings("ignore:.*is not used")
def test_a_damaged_file_is_not_overwritten_by_undo_where_there_is_nothing_to_put_back(learned):
    learned.path.parent.mkdir()
    learned.path.write_text("{")
    with pytest.raises(OptionError, match="none to take back"):
        learned.undo()
    assert learned.path.read_text() == "{"


def test_what_is_no_calibration_at_all_is_not_called_another_version(learned):
    learned.save(made(0.4))
    with pytest.raises(OptionError, match="it is no calibration"):
        read_calibration(learned.path)


@pytest.mark.filterwarnings("ignore:.*is not used")
def test_a_damaged_file_is_replaced_by_the_next_calibration(learned):
    learned.path.parent.mkdir()
    learned.path.write_text("{")
    learned.save(made(0.4))
    assert learned.current() == made(0.4)
    assert learned.undo() is None


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="no symbolic links here")
def test_a_link_is_not_followed(learned, tmp_path):
    Learned(tmp_path / "real.json").save(made(0.4))
    learned.path.parent.mkdir()
    learned.path.symlink_to(tmp_path / "real.json")
    with pytest.warns(RuntimeWarning, match="is not used"):
        assert learned.current() is None


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        Learned(tmp_path / "file" / "calibration.json").save(made(0.4))


def test_it_can_be_taken_along(tmp_path):
    write_calibration(made(0.4), tmp_path / "mine.json", force=False)
    assert read_calibration(str(tmp_path / "mine.json")) == made(0.4)


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "mine.json").write_text("precious")
    with pytest.raises(OptionError, match="is there already"):
        write_calibration(made(0.4), tmp_path / "mine.json", force=False)
    assert (tmp_path / "mine.json").read_text() == "precious"


@pytest.mark.parametrize("path", ["", " ", "a\0b", "\ud800", 7, b"x", ["x"]], ids=repr)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(OptionError, match="path of a file is needed"):
        read_calibration(path)


def test_a_file_that_is_no_calibration_is_called_that(tmp_path):
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    with pytest.raises(OptionError, match="it is no calibration that %ai calibrate export wrote"):
        read_calibration(tmp_path / "passwd")
