"""What is safe to fix on a running host: one remedy a file, each judged again by the checks it is for."""
