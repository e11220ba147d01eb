"""Whatever arrives from outside, in any bytes: each file here is one target, a law that no input may break.

A target is written once and run twice: by hypothesis in `make test` (`test_targets.py`, bounded), and by atheris, which is led by what of
the code an input reaches, in `make fuzz SECONDS=…` (`__main__.py`). An input is always bytes, so what either finds can be given to the other.
"""
