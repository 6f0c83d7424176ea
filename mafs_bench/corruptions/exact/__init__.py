"""Image corruptions of ``core@2``: integer arithmetic on keyed integer draws, equal on every machine.

Lengths are in units of 1/256 of the shorter side, so that a corruption does the same visible damage to an image
of any size. Floating point appears only where tables are made, and every entry is rounded far from a tie, so that
the last bits of a mathematical library cannot change it.
"""
