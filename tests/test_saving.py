"""What was changed at the prompt, kept in a file."""

from __future__ import annotations

import stat

import pytest
from support.setting_up import LOCAL

from mmai_nb.errors import ConfigError
from mmai_nb.saving import not_for, save_settings, unsaved
from mmai_nb.settings import change_settings, load_settings

MODEL = {"base_url": LOCAL}

pytestmark = pytest.mark.filterwarnings("ignore:MMAI_CONFIG. there is no file")  # yet to be made


@pytest.fixture
def user_file(tmp_path, monkeypatch):
    path = tmp_path / "mine" / "config.toml"
    monkeypatch.setenv("MMAI_CONFIG", str(path))
    return path


def test_what_was_changed_is_there_at_the_next_start(user_file):
    changed = change_settings(
        load_settings(),
        {
            "models": {"tiny": MODEL, "gpt-6.1": {**MODEL, "input_price": 0.1, "output_price": 1}},
            "temperature": 0.5,
            "cache.max_age": 30,
            "aliases": {"t": "tiny"},
            "tiers": [{"name": "all", "up_to": 1.0, "chain": ["tiny", "gpt-6.1"]}],
        },
    )
    assert save_settings(changed) == user_file
    again = load_settings()
    assert again.model_dump() == changed.model_dump()
    assert unsaved(again) == {}


def test_comments_and_order_of_the_file_stay(user_file):
    user_file.parent.mkdir()
    user_file.write_text('# mine\ntemperature = 0.1  # low\nsystem = "Be brief."\n')
    save_settings(change_settings(load_settings(), {"temperature": 0.9}))
    text = user_file.read_text()
    assert text == '# mine\ntemperature = 0.9  # low\nsystem = "Be brief."\n'


def test_a_changed_tier_is_written_with_all_of_them(user_file):
    changed = change_settings(load_settings(), {"models": {"a": MODEL, "b": MODEL}})
    save_settings(change_settings(changed, {"tiers": {"simple": {"chain": ["b"]}}}))
    assert [tier.chain for tier in load_settings().tiers] == [("b",), ("a", "b"), ("a", "b")]


@pytest.mark.parametrize("prefer", ["cheap", 0.25, "20%"])
def test_the_cost_dial_is_kept(user_file, prefer):
    changed = change_settings(load_settings(), {"prefer": prefer})
    save_settings(changed)
    assert load_settings().prefer == changed.prefer


def test_only_its_owner_can_read_the_users_file(user_file):
    save_settings(change_settings(load_settings(), {"temperature": 0.5}))
    assert stat.S_IMODE(user_file.stat().st_mode) == 0o600


def test_a_project_gets_what_a_project_may_set(user_file, tmp_path):
    save_settings(change_settings(load_settings(), {"models": {"a": MODEL, "b": MODEL}}))
    changed = change_settings(load_settings(), {"default_model": "b", "format": "text"})
    path = save_settings(changed, "project", cwd=tmp_path)
    assert path == tmp_path / "mmai_nb.toml"
    assert load_settings(cwd=tmp_path).default_model == "b"


def test_a_projects_pyproject_is_written_to_where_it_is_in_use(user_file, tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "x"\n\n[tool.mmai_nb]\nformat = "text"\n')
    save_settings(change_settings(load_settings(cwd=tmp_path), {"format": "json"}), "project")
    assert project.read_text() == '[project]\nname = "x"\n\n[tool.mmai_nb]\nformat = "json"\n'


def test_what_a_project_may_not_set_is_left_out_and_told(user_file, tmp_path):
    changed = change_settings(load_settings(), {"system": "Obey.", "format": "text"})
    path = save_settings(changed, "project", cwd=tmp_path)
    assert path.read_text() == 'format = "text"\n'
    assert not_for(changed, "project") == ("system",)
    assert not_for(changed, "user") == ()
    save_settings(changed)
    assert load_settings(cwd=tmp_path).system == "Obey."


def test_where_a_project_may_set_nothing_of_it_there_is_no_file(user_file, tmp_path):
    changed = change_settings(load_settings(), {"system": "Obey."})
    with pytest.raises(ConfigError, match="may not set system"):
        save_settings(changed, "project", cwd=tmp_path)
    assert not (tmp_path / "mmai_nb.toml").exists()


def test_nothing_to_save_is_told(user_file):
    with pytest.raises(ConfigError, match="nothing to save"):
        save_settings(load_settings())


def test_a_broken_file_is_left_as_it_is(user_file):
    changed = change_settings(load_settings(), {"temperature": 0.5})
    user_file.parent.mkdir()
    user_file.write_text("temperature = = 1")
    with pytest.raises(ConfigError, match="mend it by hand"):
        save_settings(changed)
    assert user_file.read_text() == "temperature = = 1"


def test_what_would_not_be_valid_is_not_written(user_file):
    changed = change_settings(load_settings(), {"temperature": 0.5})
    user_file.parent.mkdir()
    user_file.write_text("nonsense = 1\n")
    with pytest.raises(ConfigError, match="not saved"):
        save_settings(changed)
    assert user_file.read_text() == "nonsense = 1\n"


def test_a_place_that_cannot_be_written_to_is_one_line(user_file, tmp_path):
    (tmp_path / "mine").write_text("a file where a folder should be")
    with pytest.raises(ConfigError) as caught:
        save_settings(change_settings(load_settings(), {"temperature": 0.5}))
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize("where", ["user", "project"])
@pytest.mark.parametrize("check", [True, "agree"])
def test_a_tiers_check_is_kept(user_file, tmp_path, where, check):
    save_settings(change_settings(load_settings(), {"models": {"a": MODEL}}))
    changed = change_settings(load_settings(), {"tiers.simple.check": check})
    save_settings(changed, where, cwd=tmp_path)
    assert [tier.check for tier in load_settings(cwd=tmp_path).tiers] == [check, False, False]
