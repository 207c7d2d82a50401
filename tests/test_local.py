"""With no key and nothing configured, a local server answers before the demo does."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from support import local_servers as servers
from support.stub_server import StubServer, hang, ok, sse, status
from traitlets.config import Config

from mmai_nb.caching import AnswerCache
from mmai_nb.commands import command_for
from mmai_nb.discovery import owners
from mmai_nb.discovery.finder import Finder
from mmai_nb.discovery.servers import Server
from mmai_nb.engine import Engine
from mmai_nb.errors import ConnectionFailedError, MissingKeyError, UnknownModelError
from mmai_nb.ledger import Ledger
from mmai_nb.options import make_request
from mmai_nb.settings import FOUND, Settings, explain_settings

pytestmark = pytest.mark.usefixtures("unhurried")

Build = Callable[..., Engine]


@pytest.fixture
def build(tmp_path, monkeypatch) -> Iterator[Build]:
    """An engine as a user has it, which looks for servers at the ports that are given."""
    monkeypatch.setenv("MMAI_DISCOVER", "yes")
    made: list[Engine] = []

    def make(**ports: int) -> Engine:
        engine = Engine(
            ledger=Ledger(tmp_path / "ledger.sqlite3"), cache=AnswerCache(tmp_path / "cache")
        )
        engine.finder = Finder([Server(kind, port) for kind, port in ports.items()])
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def ollama(stub: StubServer) -> StubServer:
    stub.routes = servers.ollama(
        servers.ollama_model("qwen3:8b"), servers.ollama_model("llama3.2:latest", "3.2B")
    )
    return stub


@pytest.fixture
def in_ipython(monkeypatch) -> None:
    monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)


def user_file(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    (folder / "user.toml").write_text(text)
    monkeypatch.setenv("MMAI_CONFIG", str(folder / "user.toml"))


def test_it_answers_for_free_and_is_recorded_as_real(build, ollama):
    ollama.play(ok("hello"))
    answer = build(ollama=ollama.port).ask("hi")
    assert (str(answer), answer.model, answer.cost_usd) == ("hello", "ollama/llama3.2", 0.0)
    assert "· free ·" in answer.footer()
    assert not answer.simulated
    (row,) = answer.attempts
    assert (row.provider, row.request_model, row.cost_source) == ("ollama", "llama3.2", "free")
    assert ollama.last.json["model"] == "llama3.2"
    assert "authorization" not in ollama.routed[0].headers


def test_a_hard_prompt_goes_to_the_larger_model(build, ollama):
    engine = build(ollama=ollama.port)
    assert engine.ask("hi", tier="complex").model == "ollama/qwen3:8b"
    assert engine.ask("hi", model="llama3.2").model == "ollama/llama3.2"


def test_a_stream_comes_from_it_too(build, ollama):
    ollama.play(sse("he", "llo"))
    pieces: list[str] = []
    assert build(ollama=ollama.port).ask("hi", on_text=pieces.append) == "hello"
    assert pieces == ["he", "llo"]


def test_no_server_is_asked_before_a_model_is_needed(build, ollama):
    engine = build(ollama=ollama.port)
    assert engine.settings.models == {}
    engine.configure({"temperature": 0.5})
    explain_settings(engine.settings)
    command_for("config", lambda: engine, "")
    assert ollama.connections == 0
    engine.ask("hi")
    assert list(engine.settings.models) == ["ollama/qwen3:8b", "ollama/llama3.2"]
    assert engine.settings.temperature == 0.5


def test_it_is_asked_what_it_has_only_once_for_many_calls(build, ollama):
    engine = build(ollama=ollama.port)
    for number in range(5):
        engine.ask(f"question {number}")
    assert [asked.path for asked in ollama.routed].count("/api/tags") == 1


def test_the_settings_say_where_the_models_come_from(build, ollama):
    engine = build(ollama=ollama.port)
    engine.ask("hi")
    known = explain_settings(engine.settings)
    assert known["models.ollama/qwen3:8b.base_url"] == (ollama.base_url, FOUND)
    assert known["tiers.complex.chain"][1] == FOUND


def test_a_key_that_appears_later_wins(build, ollama, monkeypatch):
    engine = build(ollama=ollama.port)
    engine.ask("hi")
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-1234567")
    assert {spec.provider for spec in engine.settings.models.values()} == {"openai"}


def test_with_a_key_no_server_is_asked_unless_it_is_named(build, ollama, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-1234567")
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{ollama.port}")
    engine = build(ollama=ollama.port)
    engine.route(engine_request("hi"))
    assert ollama.connections == 0
    answer = engine.ask("hi", model="ollama/qwen3:8b")
    assert (answer.model, answer.cost_usd) == ("ollama/qwen3:8b", 0.0)
    assert list(answer.route.chain) == ["ollama/qwen3:8b"]


def engine_request(prompt: str, **more: Any) -> Any:

    return make_request(prompt, Settings(), **more).request


def test_what_is_known_of_a_named_model_counts_for_its_route(build, ollama, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-1234567")
    ollama.routes |= servers.ollama(servers.ollama_model("tiny:1b"), running={"tiny:1b": 4096})
    engine = build(ollama=ollama.port)
    route = engine.route(engine_request("word " * 9000, fallback=["ollama/tiny:1b"]))
    (skipped,) = [why for name, why in route.skipped if name == "ollama/tiny:1b"]
    assert "window 4,096" in skipped


def test_tiers_and_the_default_model_of_the_users_file_may_name_it(
    build, ollama, monkeypatch, tmp_path
):
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{ollama.port}")
    user_file(
        monkeypatch,
        tmp_path,
        'tiers = [{name = "all", up_to = 1.0, chain = ["ollama/qwen3:8b"]}]',
    )
    engine = build(ollama=ollama.port)
    assert engine.ask("hi").model == "ollama/qwen3:8b"
    assert engine.settings.models["ollama/qwen3:8b"].context_window == 40960
    user_file(monkeypatch, tmp_path, 'default_model = "ollama/qwen3:8b"')
    assert build(ollama=ollama.port).ask("hello").model == "ollama/qwen3:8b"


def test_a_default_model_on_a_server_that_is_down_is_no_reason_for_the_demo(
    build, monkeypatch, tmp_path, in_ipython
):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    user_file(monkeypatch, tmp_path, 'default_model = "ollama/qwen3:8b"\nretries = 0')
    with pytest.raises(ConnectionFailedError, match=r"nothing listens at 127\.0\.0\.1:1"):
        build(ollama=1).ask("hi")


def test_a_model_that_is_not_there_is_told_in_ollamas_own_words(build, ollama, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{ollama.port}")
    ollama.play(status(404, 'model "qwen3:99b" not found, try pulling it first'))
    with pytest.raises(UnknownModelError) as caught:
        build(ollama=ollama.port).ask("hi", model="ollama/qwen3:99b")
    assert str(caught.value).startswith(
        'ollama/qwen3:99b: model "qwen3:99b" not found, try pulling it first'
    )
    assert "ollama pull qwen3:99b" in str(caught.value)


def test_a_server_that_is_gone_is_an_error_and_no_reason_for_the_demo(build, in_ipython):
    with StubServer() as server:
        server.routes = servers.ollama(servers.ollama_model("qwen3:8b"))
        engine = build(ollama=server.port)
        engine.ask("hi")
    engine.look(fresh=True)
    engine._sleep = lambda seconds: None
    with pytest.raises(ConnectionFailedError, match="nothing listens"):
        engine.ask("another")


@pytest.mark.parametrize(
    "switch", [{"MMAI_DISCOVER": "no"}, {"MMAI_DEMO": "1"}], ids=["discover", "demo"]
)
def test_it_can_be_switched_off(build, ollama, monkeypatch, in_ipython, switch):
    for name, value in switch.items():
        monkeypatch.setenv(name, value)
    assert build(ollama=ollama.port).ask("hi").simulated
    assert ollama.connections == 0


def test_switching_it_off_later_lets_go_of_what_was_found(build, ollama, in_ipython):
    engine = build(ollama=ollama.port)
    engine.ask("hi")
    engine.configure({"discover": False})
    assert engine.settings.models == {}
    assert engine.ask("hello").simulated


def test_the_demo_by_name_asks_no_server(build, ollama):
    engine = build(ollama=ollama.port)
    assert engine.ask("hi", model="demo").simulated
    assert ollama.connections == 0


def test_what_is_configured_stays_when_models_appear(build, ollama):
    engine = build(ollama=ollama.port)
    engine.configure({"timeout": 9.0, "aliases": {"fast": "ollama/llama3.2"}})
    assert engine.ask("hi", model="fast").model == "ollama/llama3.2"
    assert engine.settings.timeout == 9.0


def test_a_model_that_is_configured_goes_before_what_was_found(build, ollama):
    engine = build(ollama=ollama.port)
    engine.ask("hi")
    row = {"base_url": ollama.base_url, "input_price": 0, "output_price": 0}
    engine.configure({"models": {"mine": row}})
    assert list(engine.settings.models) == ["mine"]
    assert engine.ask("hello").model == "mine"
    assert engine.ask("hello", model="ollama/qwen3:8b").model == "ollama/qwen3:8b"


def test_a_found_model_may_be_changed_in_part(build, ollama):
    engine = build(ollama=ollama.port)
    engine.ask("hi")
    engine.configure({"models": {"ollama/qwen3:8b": {"context_window": 4096}}})
    assert engine.settings.models["ollama/qwen3:8b"].context_window == 4096
    assert engine.ask("hello").model == "ollama/llama3.2"


def test_taking_a_found_model_out_holds(build, ollama):
    engine = build(ollama=ollama.port)
    engine.ask("hi")
    engine.configure(
        {
            "models": {"ollama/llama3.2": None},
            "tiers": [{"name": "all", "up_to": 1.0, "chain": ["ollama/qwen3:8b"]}],
        }
    )
    assert engine.ask("hello").model == "ollama/qwen3:8b"
    assert list(engine.settings.models) == ["ollama/qwen3:8b"]


@pytest.mark.parametrize("routes", [{}, {"/api/tags": hang()}], ids=["404", "hangs"])
def test_a_server_of_another_kind_leaves_the_demo_to_answer(
    build, stub, hurried, in_ipython, routes
):
    stub.routes = routes
    assert build(ollama=stub.port).ask("hi").simulated


# servers that are only offered


@pytest.fixture
def llama(stub: StubServer) -> StubServer:
    stub.routes = servers.llamacpp("tiny.gguf")
    return stub


def test_the_demos_first_answer_tells_of_a_server_that_could_answer(build, llama, in_ipython):
    engine = build(llamacpp=llama.port)
    note = f"llama.cpp at 127.0.0.1:{llama.port} could answer: %ai models shows how"
    assert note in engine.ask("hi").notes
    assert note not in engine.ask("hello").notes
    assert llama.count == 0


def test_outside_ipython_the_error_tells_of_it(build, llama):
    with pytest.raises(MissingKeyError) as caught:
        build(llamacpp=llama.port).ask("hi")
    assert f"llama.cpp at 127.0.0.1:{llama.port} could answer" in str(caught.value)
    assert len(str(caught.value)) <= 200


@pytest.fixture
def cell(build, stub) -> Iterator[Callable[[str], Any]]:
    """Run a cell in a real IPython that looks for a server of each kind at the stub's port."""
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.extension_manager.load_extension("mmai_nb")
    engine = build(ollama=stub.port, llamacpp=stub.port)
    shell.magics_manager.magics["cell"]["ai"].__self__._engine = engine

    def run(text: str) -> Any:
        with capture_output() as shown:
            result = shell.run_cell(text)
        result.raise_error()
        return result.result, shown.stdout + shown.stderr

    run.stub = stub
    yield run
    shell.restore_sys_module_state()


def test_loading_the_extension_asks_no_server(cell):
    assert cell.stub.connections == 0


def test_the_models_table_has_what_was_found_and_how_to_use_what_is_offered(cell):
    cell.stub.routes = {
        **servers.ollama(servers.ollama_model("qwen3:8b")),
        **servers.llamacpp("tiny.gguf"),
    }
    frame, shown = cell("%ai models")
    row = frame.loc["ollama/qwen3:8b"]
    assert (row.key, row.price_source) == ("not needed", "free")
    assert (row.tiers, row.window) == ("simple, standard, complex", 40960)
    offered = f"llama.cpp at 127.0.0.1:{cell.stub.port} could answer too; to use it, run"
    line = (
        "ai.configure(models={'llamacpp/tiny': {'model': 'tiny.gguf', 'base_url': "
        f"'{cell.stub.base_url}', 'input_price': 0, 'output_price': 0, 'context_window': 8192}}}})"
    )
    for text in (shown, frame._repr_html_().replace("&#x27;", "'").replace("&#39;", "'")):
        assert offered in text
        assert line in text
    assert type(frame[["tiers"]]).__name__ == "DataFrame"


def test_the_models_table_sees_a_model_that_was_pulled_a_moment_ago(cell):
    cell.stub.routes = servers.ollama(servers.ollama_model("qwen3:8b"))
    assert list(cell("%ai models")[0].index) == ["ollama/qwen3:8b"]
    cell.stub.routes = servers.ollama(*map(servers.ollama_model, ("qwen3:8b", "new:4b")))
    assert "ollama/new:4b" in cell("%ai models")[0].index


def test_the_name_of_a_model_cannot_put_html_on_the_page(cell):
    name = "<img/src=x/onerror=alert(1)>"
    cell.stub.routes = {
        **servers.ollama(servers.ollama_model(name)),
        **servers.llamacpp(name),
    }
    frame, _ = cell("%ai models")
    assert "<img" not in frame._repr_html_()


# servers of other people


def stranger(monkeypatch: pytest.MonkeyPatch, folder: Path, port: int) -> None:
    row = f"0: 0100007F:{port:04X} 00000000:0000 0A 0:0 0:0 0 4321 0 1"
    (folder / "tcp").write_text(f"sl local\n{row}\n")
    monkeypatch.setattr(owners, "PROC", folder)


def test_another_users_server_does_not_answer_and_is_mentioned(
    build, ollama, monkeypatch, tmp_path, in_ipython
):
    stranger(monkeypatch, tmp_path, ollama.port)
    answer = build(ollama=ollama.port).ask("hi")
    assert answer.simulated
    assert f"127.0.0.1:{ollama.port} is another user's server" in answer.notes
    assert ollama.connections == 0


def test_a_server_that_changed_hands_gets_no_prompt(build, ollama, monkeypatch, tmp_path):
    engine = build(ollama=ollama.port)
    engine.ask("hi")
    stranger(monkeypatch, tmp_path, ollama.port)
    with pytest.raises(ConnectionFailedError, match=r"another user \(4321\)") as caught:
        engine.ask("something else", model="ollama/qwen3:8b")
    assert caught.value.reason == "stranger"
    assert ollama.count == 1
    assert [row.cost_nano for row in caught.value.attempts] == [0]


def test_naming_a_model_sends_nothing_to_another_user(build, ollama, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-1234567")
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{ollama.port}")
    stranger(monkeypatch, tmp_path, ollama.port)
    with pytest.raises(ConnectionFailedError, match="another user"):
        build(ollama=ollama.port).ask("hi", model="ollama/qwen3:8b")
    assert ollama.connections == 0


def test_a_server_that_the_user_configured_is_the_users_choice(build, stub, monkeypatch, tmp_path):
    stranger(monkeypatch, tmp_path, stub.port)
    engine = build()
    row = {"base_url": stub.base_url, "provider": "ollama", "input_price": 0, "output_price": 0}
    engine.configure({"models": {"mine": row}})
    assert engine.ask("hi") == "hi"


# names that need no look


@pytest.mark.parametrize("name", ["ollama/qwen3:8b", "ollama:qwen3:8b"])
def test_naming_a_local_model_is_enough(name):
    spec = Settings().find(name)
    assert (spec.name, spec.model, spec.provider) == ("ollama/qwen3:8b", "qwen3:8b", "ollama")
    assert spec.base_url == "http://127.0.0.1:11434/v1"
    assert (spec.input_price, spec.api_key_env) == (0, None)


def test_a_local_model_may_stand_in_a_tier_and_be_the_default():
    settings = Settings(
        default_model="lmstudio/qwen",
        tiers=[{"name": "all", "up_to": 1.0, "chain": ["ollama/qwen3:8b", "openai/gpt-6-luna"]}],
    )
    assert list(settings.models) == ["ollama/qwen3:8b", "openai/gpt-6-luna"]
