"""The site's configuration: one YAML file as frozen dataclasses."""
