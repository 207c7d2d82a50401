"""What Ollama, LM Studio, llama.cpp and vLLM answer when they are asked for their models.

Each gives the routes of a stub server, in the shapes of the servers' own documentation.
"""

from __future__ import annotations

from typing import Any

from .stub_server import Asked, Reply, answer

Routes = dict[str, Any]


def ollama_model(
    name: str, size: str = "8.0B", family: str = "qwen3", **more: Any
) -> dict[str, Any]:
    """One row of /api/tags."""
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": size,
        "quantization_level": "Q4_K_M",
    }
    row = {"name": name, "model": name, "modified_at": "2026-10-01T10:00:00Z", "size": 5_200_000}
    return {**row, "digest": "0" * 64, "details": details, **more}


def shown(
    window: Any = 40960,
    *abilities: str,
    parameters: str = 'stop    "<|im_end|>"',
) -> dict[str, Any]:
    """One answer of /api/show."""
    return {
        "license": "…",
        "parameters": parameters,
        "details": {"family": "qwen3", "parameter_size": "8.2B"},
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": window},
        "capabilities": list(abilities or ("completion", "tools", "thinking")),
    }


def ollama(
    *models: dict[str, Any],
    details: dict[str, Any] | None = None,
    running: dict[str, int] | None = None,
) -> Routes:
    """Ollama with these models; `details` by name, `running` the window by name."""
    details = details or {}

    def show(asked: Asked) -> Reply:
        name = asked.json["model"]
        if name not in {row["name"] for row in models}:
            return answer({"error": f"model '{name}' not found"}, 404)
        return answer(details.get(name, shown()))

    loaded = [{"name": n, "model": n, "context_length": w} for n, w in (running or {}).items()]
    return {
        "/api/tags": answer({"models": list(models)}),
        "/api/ps": answer({"models": loaded}),
        "/api/show": show,
    }


def lmstudio(*models: dict[str, Any]) -> Routes:
    """LM Studio since 0.4."""
    return {"/api/v1/models": answer({"models": list(models)})}


def lmstudio_model(key: str, params: str | None = "8B", **more: Any) -> dict[str, Any]:
    """One model of LM Studio since 0.4."""
    return {
        "type": "llm",
        "publisher": "lmstudio-community",
        "key": key,
        "display_name": key,
        "params_string": params,
        "loaded_instances": [],
        "max_context_length": 131072,
        "capabilities": {"vision": False, "trained_for_tool_use": True},
        **more,
    }


def old_lmstudio(*models: dict[str, Any]) -> Routes:
    """LM Studio before 0.4: it does not know the newer path."""
    return {
        "/api/v0/models": answer({"object": "list", "data": list(models)}),
        "/api/v1/models": answer({"error": "Unexpected endpoint or method."}, 200),
    }


def old_lmstudio_model(name: str, **more: Any) -> dict[str, Any]:
    """One model of LM Studio before 0.4."""
    row = {"id": name, "object": "model", "type": "llm", "state": "not-loaded"}
    return {**row, "compatibility_type": "gguf", "max_context_length": 32768, **more}


def llamacpp(name: str = "../models/Qwen3-8B-Q4_K_M.gguf", *, locked: str = "") -> Routes:
    """llama.cpp's server; `locked`: which paths want a key: "props" (older ones) or "all"."""
    meta = {"n_ctx_train": 131072, "n_params": 8_030_261_312, "size": 4_912_898_304}
    row = {"id": name, "object": "model", "created": 1, "owned_by": "llamacpp", "meta": meta}
    props = {
        "default_generation_settings": {"n_ctx": 8192, "params": {}},
        "total_slots": 1,
        "modalities": {"vision": True, "audio": False},
    }
    error = {"message": "Invalid API Key", "type": "authentication_error", "code": 401}
    refused = answer({"error": error}, 401)
    listed = answer({"object": "list", "data": [row]})
    return {
        "/v1/models": refused if locked == "all" else listed,
        "/props": refused if locked else answer(props),
    }


def vllm(name: str = "Qwen/Qwen3-8B") -> Routes:
    """VLLM's server."""
    row = {"id": name, "object": "model", "owned_by": "vllm", "root": name, "max_model_len": 32768}
    return {"/v1/models": answer({"object": "list", "data": [row]})}
