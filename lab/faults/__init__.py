"""What can be broken on an exchanger, and how it is mended."""
