"""JAX as a backend: pure functions of a network's variables, compiled once, for one network or for many in lockstep.

The same modules as `_tensorflow`, with the same functions. Besides: `pure` is what is compiled, and `lockstep` runs a
method for many networks of one architecture at once.
"""
