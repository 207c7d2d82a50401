"""Rows of a ledger to test with."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mmai_nb.ledger import Ledger
from mmai_nb.records import Attempt

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC


def attempt(call_id: str = "c", number: int = 1, **changes: Any) -> Attempt:
    """An answered attempt that cost 100 nano-dollars."""
    usual: dict[str, Any] = {
        "ts": NOON,
        "provider": "p",
        "endpoint": "http://127.0.0.1/v1",
        "request_model": "m",
        "input_tokens": 10,
        "output_tokens": 5,
        "cost_nano": 100,
        "duration_s": 1.0,
        "status": "ok",
    }
    return Attempt(call_id, number, **{**usual, **changes})


def intent(call_id: str = "c", number: int = 1) -> Attempt:
    """A request on its way."""
    return Attempt(call_id, number, NOON, request_model="m")


def kept(rows: list[Attempt]) -> Ledger:
    """A ledger in memory."""
    ledger = Ledger(None)
    for row in rows:
        ledger.record(row)
    return ledger


texts = st.none() | st.text(max_size=8)
counts = st.none() | st.integers(0, 10**12)
seconds = st.none() | st.floats(0, 1e6)
any_attempts = st.lists(
    st.builds(
        Attempt,
        call_id=st.text(alphabet="abc", max_size=2),
        attempt=st.integers(1, 4),
        ts=st.floats(0, 4e9),
        session=st.text(max_size=3),
        notebook=texts,
        tag=texts,
        request_model=st.sampled_from(["m", "n", ""]),
        response_model=texts,
        tier=texts | st.sampled_from(["simple", "complex"]),
        finish_reason=st.none() | st.sampled_from(["stop", "length", "content_filter"]),
        complexity=st.none() | st.floats(0, 1),
        input_tokens=counts,
        output_tokens=counts,
        tokens_estimated=st.booleans(),
        cost_nano=counts,
        saved_nano=counts,
        baseline_nano=counts,
        duration_s=seconds,
        cache_hit=st.booleans(),
        status=st.sampled_from(["unknown", "ok", "error", "partial", "adapted", "cancelled"]),
        error_type=texts,
        simulated=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda a: (a.call_id, a.attempt),
)
