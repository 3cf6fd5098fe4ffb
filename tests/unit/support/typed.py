"""What is typed, read as the cookbook's own parser does."""

import argparse
import functools

from docs.ext import cookbooks

parser = functools.cache(cookbooks.parser)


def parsed(name: str, arguments: list[str]) -> argparse.Namespace:
    """Read arguments as a cookbook does, without what the cookbook does next."""
    return argparse.ArgumentParser.parse_args(parser(name), arguments)
