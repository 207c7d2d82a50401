"""The magic in a real kernel, as a notebook and nbconvert run it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from support.interrupting import interrupted, is_asked
from support.waiting import soon

pytestmark = [
    pytest.mark.slow,
    # Debian's and PyPI's kernels tell of their transport and debugger; none of it is this package's
    pytest.mark.filterwarnings("default"),
]

LOAD = "%load_ext mmai_nb\nimport mmai_nb as ai"


def run(*cells: str) -> list[Any]:
    """The executed code cells of a notebook made of these."""
    return list(ran(*cells).cells)


def ran(*cells: str) -> Any:
    """A notebook made of these code cells, executed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    nbformat.validate(notebook)
    return notebook


def text_of(cell: Any) -> str:
    """All that a cell shows, as text."""
    parts = []
    for output in cell.outputs:
        parts.append(output.get("text") or "")
        parts.append(output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


def test_loading_shows_nothing_and_a_cell_shows_one_output():
    load, ask = run(LOAD, "%%ai\nWhat is the capital of France?")
    assert load.outputs == []
    (output,) = ask.outputs
    assert output.output_type == "display_data"
    assert set(output.data) == {"text/plain", "text/html", "text/markdown"}
    assert "demo" in output.data["text/plain"]
    assert "→" in output.data["text/plain"]


WRONG = '[[demo: only_model=demo-small text="Well, 3 × 17 = 41 and that is that."]]'
CHECKED = f"%%ai --check\nWhat is 3 * 17?\n{WRONG}"


def test_an_escalated_answer_is_saved_as_one_output_without_the_first():
    cells = run(LOAD, CHECKED, "print(ai.last().rejected[0].text, ai.costs().tier.tolist())")
    (output,) = cells[1].outputs
    assert "**51**" in output.data["text/plain"]
    assert "41 and that is that" not in output.data["text/html"]
    assert "escalated: 3 × 17 = 41 is wrong" in output.data["text/plain"]
    assert output.metadata["mmai_nb"]["escalated"] is True
    assert "41 and that is that. ['simple', 'standard']" in text_of(cells[2])


def test_the_demo_gives_a_second_opinion_and_verbose_names_it():
    _, shown = run(LOAD, "%%ai --check agree -v\nWhat is 17 * 4?")
    assert "check: demo-small passed beside demo-second, doubt" in text_of(shown)
    assert "attempt 2: demo-second ok" in text_of(shown)


def test_the_saved_metadata_tells_model_tokens_and_cost():
    (output,) = run(LOAD, "%%ai\nWhat is the capital of France?")[1].outputs
    saved = output.metadata["mmai_nb"]
    assert saved["model"].startswith("demo-")
    assert {"tokens", "cost_usd", "cache_hit", "call_id", "simulated"} <= set(saved)
    assert saved["tokens"]["output"] > 0


def test_the_value_is_in_out_and_shows_when_it_is_asked_for_later():
    cells = run(LOAD, "%%ai\nWhat is the capital of France?", "print(len(Out[2]) > 20)", "Out[2]")
    assert "True" in text_of(cells[2])
    assert "text/html" in cells[3].outputs[0].data


def test_the_second_time_is_a_hit_and_the_ledger_is_a_frame():
    cells = run(
        LOAD,
        "%%ai\nWhat is the capital of France?",
        "%%ai\nWhat is the capital of France?",
        "frame = ai.costs()\nprint(frame.cache_hit.tolist(), bool(frame.simulated.all()))",
    )
    assert "cached" in text_of(cells[2])
    assert "[False, True] True" in text_of(cells[3])


def test_a_failing_cell_stops_run_all_with_one_line():
    with pytest.raises(CellExecutionError) as caught:
        run(LOAD, "%%ai no-such-model\nhi", "print('not reached')")
    assert caught.value.ename == "UnknownModelError"
    assert "Traceback" not in caught.value.traceback


def test_a_failure_of_the_endpoint_falls_back_and_says_so():
    cells = run(LOAD, "%%ai -v\nhi\n[[demo: status=501 only_model=demo-small]]")
    assert "after 1 failed attempt" in text_of(cells[1])


def test_code_is_put_into_the_next_cell():
    cells = run(LOAD, "%%ai -f code\nWrite a function that reverses a string")
    assert "def " in text_of(cells[1])


def test_functions_work_inside_a_running_event_loop():
    cells = run(
        LOAD,
        "answer = await ai.aask('What is 2 + 3?')\n"
        "pieces = [p async for p in ai.astream('What is 2 + 4?')]\n"
        "print(len(answer) > 0, ''.join(pieces) == ai.last())",
    )
    assert "True True" in text_of(cells[1])


def test_a_key_that_nobody_can_type_is_an_error_that_names_the_variable():
    with pytest.raises(CellExecutionError) as caught:
        run(LOAD, "%ai key openai")
    assert caught.value.ename == "MissingKeyError"
    assert "set OPENAI_API_KEY in the environment" in caught.value.evalue


def test_a_notebook_that_nbconvert_runs_shows_the_panels_as_pictures():
    panels = ("models", "compare", "spend")
    notebook = ran(LOAD, "%%ai -q\nWhat is 17 * 3?", *(f"%ai panel {name}" for name in panels))
    for cell in notebook.cells[2:]:
        (output,) = cell.outputs
        assert set(output.data) == {"text/html", "text/plain"}
    assert "widgets" not in notebook.metadata
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count("This is a picture of the panel") == len(panels)
    assert page.count('alt="Spend over time by model') == 1


def test_a_panel_leaves_its_picture_when_the_kernel_ends(kernel):
    manager, client = kernel
    execute(client, f"{LOAD}\npanel = ai.panels.spend()\ndisplay(panel)")
    manager.request_shutdown()
    message = {"msg_type": ""}
    while message["msg_type"] != "update_display_data":
        message = client.get_iopub_msg(timeout=20)
    assert set(message["content"]["data"]) == {"text/html", "text/plain"}


@pytest.fixture
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager, client = start_new_kernel()
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def execute(client: BlockingKernelClient, code: str) -> tuple[str, str]:
    """What a cell printed, and the status of its reply."""
    shown: list[str] = []

    def keep(message: Any) -> None:
        content = message["content"]
        shown.append(content.get("text") or content.get("data", {}).get("text/plain") or "")

    reply = client.execute_interactive(code, output_hook=keep, timeout=60)
    return "\n".join(shown), reply["content"]["status"]


def wait_for_text(client: Any, words: str) -> None:
    """Read on until an output shows the words."""
    shown = ""
    while words not in shown:
        content = client.get_iopub_msg(timeout=60)["content"]
        shown = content.get("data", {}).get("text/plain", "")


AT_ONCE = 5.0
"""Seconds: far less than what is interrupted would take, and enough for a busy machine."""


@pytest.mark.parametrize(
    ("prompt", "partial"),
    [("[[demo: delay=60]]", False), ("Write a long essay\n[[demo: chunk_delay=0.5]]", True)],
    ids=["before the answer", "in the middle of it"],
)
def test_an_interrupt_is_answered_at_once(kernel, tmp_path, prompt, partial):
    manager, client = kernel
    execute(client, LOAD)
    execute(client, "%%ai\nwarm up")

    def ready() -> None:
        if partial:
            wait_for_text(client, "Demo answer")
        assert soon(lambda: is_asked(tmp_path, "demo-large"), 60)

    took = interrupted(manager, client, f"%%ai complex\n{prompt}", ready)
    assert took < AT_ONCE
    shown, _ = execute(client, "row = ai.costs().iloc[-1]; print(row.status, row.error_type)")
    assert "cancelled KeyboardInterrupt" in shown
    if partial:
        shown, _ = execute(client, "print('kept', len(ai.last()), ai.last().footer())")
        assert "kept 0" not in shown
        assert "partial" in shown
    shown, status = execute(client, "%%ai\nAnd now?")
    assert status == "ok"


def test_an_escalation_replaces_the_cheap_text_in_its_own_output(kernel):
    _, client = kernel
    execute(client, LOAD)
    published: list[Any] = []

    def keep(message: Any) -> None:
        if message["msg_type"] in ("display_data", "update_display_data"):
            published.append((message["msg_type"], message["content"]))

    client.execute_interactive(CHECKED, output_hook=keep, timeout=60)
    texts = [content["data"]["text/plain"] for _, content in published]
    assert [kind for kind, _ in published] == [
        "display_data",
        *["update_display_data"] * (len(published) - 1),
    ]
    assert len({content["transient"]["display_id"] for _, content in published}) == 1
    pale = next(n for n, text in enumerate(texts) if "escalated to standard" in text)
    assert texts[pale].startswith("Well, 3 × 17 = 41 and that is that.")
    assert any(text.startswith("Well, 3") for text in texts[:pale])
    assert not any("Well, 3" in text for text in texts[pale + 1 :])
    assert "**51**" in texts[-1]


def test_an_interrupt_while_the_stronger_model_thinks_brings_the_cheap_answer_back(
    kernel, tmp_path
):
    manager, client = kernel
    execute(client, LOAD)
    execute(client, "%%ai\nwarm up")
    slow = f"{CHECKED}\n[[demo: only_model=demo-medium delay=60]]"
    asked = partial(soon, lambda: is_asked(tmp_path, "demo-medium"), 60)
    assert interrupted(manager, client, slow, asked) < AT_ONCE
    shown, _ = execute(client, "print(ai.last().text, '|', ai.last().footer())")
    assert shown.strip().startswith("Well, 3 × 17 = 41 and that is that. |")
    assert "stopped before its check was over" in shown
    shown, _ = execute(client, "print(ai.costs().status.tolist())")
    assert "['ok', 'ok', 'cancelled']" in shown


def test_the_tab_key_is_answered_by_a_kernel(kernel):
    _, client = kernel
    execute(client, LOAD)
    text = "%%ai demo-sm\nWhat is the capital of Norway?"
    reply = client.complete(text, len("%%ai demo-sm"), reply=True, timeout=60)["content"]
    assert reply["status"] == "ok"
    assert reply["matches"] == ["demo-small"]
    assert text[reply["cursor_start"] : reply["cursor_end"]] == "demo-sm"
    reply = client.complete("%%ai\nWhat does pri", reply=True, timeout=60)["content"]
    assert reply["matches"] == []


def test_the_help_page_is_what_a_kernel_tells_of_the_magic(kernel):
    _, client = kernel
    execute(client, "%load_ext mmai_nb")
    reply = client.inspect("%%ai", reply=True, timeout=60)["content"]
    assert reply["found"]
    assert "--max-tokens N" in reply["data"]["text/plain"]


def test_a_question_goes_up_again_and_is_voted_on_like_any_cell():
    _, _, poor, higher, good, learned = run(
        LOAD,
        "%%ai\nWhat is the capital of France?",
        "%ai poor",
        "%ai escalate",
        "%ai good",
        "ai.calibrate()",
    )
    (output,) = higher.outputs
    assert output.output_type == "display_data"
    assert output.metadata["mmai_nb"]["tier"] == "standard"
    assert "kept: the answer of demo-small was poor" in text_of(poor)
    assert "kept: the answer of demo-medium was good" in text_of(good)
    (report,) = learned.outputs
    assert "18 more are needed" in report.data["text/plain"]
    assert "<pre" in report.data["text/html"]


def test_a_vote_shows_the_names_in_the_cell_of_the_comparison():
    _, asked, voted = run(
        LOAD,
        "%%ai --compare demo-small,demo-large --blind --var rivers\nName three rivers.",
        "rivers.vote('a')",
    )
    (shown,) = asked.outputs
    assert "your choice" in shown.data["text/html"]
    assert "Answer A" not in shown.data["text/html"]
    assert "Names are hidden" not in shown.data["text/plain"]
    assert "1 vote kept" in text_of(voted)


def test_a_vote_shows_the_names_wherever_a_blind_comparison_is_a_cells_value():
    _, asked, again, voted, later = run(
        LOAD,
        "rivers = ai.compare('Name three rivers.', ['demo-small', 'demo-large'], blind=True)\n"
        "rivers",
        "display(rivers)",
        "rivers.vote('b')",
        "rivers",
    )
    for cell in (asked, again, later):
        (shown,) = cell.outputs
        assert "your choice" in shown.data["text/html"]
        assert "demo-large" in shown.data["text/plain"]
        assert "Answer A" not in shown.data["text/html"]
        assert "Names are hidden" not in shown.data["text/plain"]
    (said,) = voted.outputs
    assert "1 vote kept" in said.data["text/plain"]


def test_a_blind_comparison_without_a_vote_is_saved_once_and_hidden():
    _, asked, value = run(
        LOAD,
        "ai.compare('Name three rivers.', ['demo-small', 'demo-large'], blind=True)",
        "print(type(Out[2]).__name__, type(_).__name__)",
    )
    (shown,) = asked.outputs
    assert "Names are hidden" in shown.data["text/plain"]
    assert "── Answer A" in shown.data["text/plain"]
    assert "── demo-" not in shown.data["text/plain"]
    assert "Comparison Comparison" in text_of(value)


def test_a_wrong_trait_is_one_line_in_a_kernel(kernel):
    _, client = kernel
    execute(client, LOAD)
    shown, status = execute(client, "%config MmaiMagics.temperatur = 1")
    assert status == "ok"
    assert shown.strip() == "ERROR:root:MmaiMagics has no 'temperatur'; did you mean 'temperature'?"


def test_a_key_is_typed_unseen_and_opens_its_models(kernel):
    _, client = kernel
    execute(client, LOAD)
    key, asked, shown = "kQ7zX2mW9pL4vB8nT3cR", [], []

    def type_it(message: Any) -> None:
        asked.append(message["content"])
        client.input(key)

    client.execute_interactive(
        "%ai key openai",
        allow_stdin=True,
        stdin_hook=type_it,
        output_hook=lambda message: shown.append(str(message["content"])),
        timeout=60,
    )
    assert asked == [{"prompt": "OPENAI_API_KEY (not shown, not stored): ", "password": True}]
    assert "can be asked now: openai/" in "".join(shown)
    told, _ = execute(client, "print(sorted({s.provider for s in ai.configure().models.values()}))")
    assert told.strip() == "['openai']"
    secrets, _ = execute(client, "%who_ls\n_, In, Out, ai.configure()")
    assert key not in "".join(shown) + secrets
