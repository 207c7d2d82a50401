"""Local servers of this machine (Ollama, LM Studio, llama.cpp, vLLM), found and read.

One room of five files: asking (HTTP within its time), owners (whose process listens), servers (what
each kind is asked and answers), sizing (which model for which tier), finder (all of it, and what it
remembers).
"""
