"""What goes over the wire and comes back, apart from the SDK: bodies, lines, reading, failures.

Nothing in here imports openai, httpx or httpx2.
"""
