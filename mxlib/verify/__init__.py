"""One verification of several hosts: asked, judged, told."""
