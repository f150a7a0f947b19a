"""Store protocols, one per noun. `store.memory` is the reference for all of them.

A method is one atomic step, safe to repeat, and returns what it did. Ids, times and amounts are
made by the caller.
"""
