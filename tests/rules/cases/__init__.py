"""For each rule one module of its name, with three programs: one with the fault, one that nearly has it, and one of
which the capture does not say.

Each is a function from a folder that it may write to, to the Timeline of the capture; its docstring says what it is.
"""
