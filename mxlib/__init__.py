"""The library behind the mail exchanger cookbooks: reading, judging, deciding, acting, reporting."""
