"""Reports as self-contained HTML pages: charts and tables of a run, a roll, a verification."""
