"""What the lab is built from: packages, root directory, disk images."""
