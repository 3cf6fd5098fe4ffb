"""One exchanger into another kernel: decide, act, write down, again."""
