"""One verification of several hosts: asked, judged, reported."""
