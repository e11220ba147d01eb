"""What the readings mean: PBS, and the exporters that speak of it. Pure.

Law 5: what is not known is absent, never zero.
"""
