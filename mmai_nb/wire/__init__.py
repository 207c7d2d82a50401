"""What goes over the wire and comes back, apart from the SDK.

One room of six files: bodies (what is sent), line (the connection), reading (what comes), talk (one
answer as it comes), told (what a server says of an error), failures (our errors for it). Nothing in
here imports openai, httpx or httpx2.
"""
