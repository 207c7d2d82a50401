"""What the built-in demo endpoint is made of; its door is `mmai_nb.offline`."""
