"""Translation between wires: a request in one, its provider in another."""
